package database

import (
	"container/list"
	"context"
	"database/sql/driver"
)

const (
	// cachedStatements is how many prepared statements a SQLite connection keeps, the least recently used leaving
	// first. Preparing costs more than running a short statement.
	cachedStatements = 64
	// cachedLength is the longest statement that is kept, in bytes; longer ones are made for one occasion.
	cachedLength = 4096
)

// rawStmt is what modernc.org/sqlite's prepared statement can do.
type rawStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// stmtCache keeps the prepared statements of one connection that are not running. It is for one goroutine at a time, as
// the connection is.
type stmtCache struct {
	byQuery map[string]*list.Element
	recent  list.List // of *cachedStmt, the last used first
}

type cachedStmt struct {
	query string
	stmt  rawStmt
}

// take returns a statement for query that is nobody else's until it is put back.
func (c *stmtCache) take(ctx context.Context, conn rawConn, query string) (*cachedStmt, error) {
	if e, ok := c.byQuery[query]; ok {
		delete(c.byQuery, query)
		return c.recent.Remove(e).(*cachedStmt), nil //nolint:forcetypeassert // the list holds nothing else
	}
	stmt, err := conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &cachedStmt{query, stmt.(rawStmt)}, nil //nolint:forcetypeassert // what modernc.org/sqlite's has
}

// put keeps a statement that has run without an error, and closes one that is not worth keeping.
func (c *stmtCache) put(s *cachedStmt) error {
	if _, twice := c.byQuery[s.query]; twice || len(s.query) > cachedLength {
		return s.stmt.Close()
	}
	if c.byQuery == nil {
		c.byQuery = make(map[string]*list.Element, cachedStatements)
	}
	c.byQuery[s.query] = c.recent.PushFront(s)
	if c.recent.Len() <= cachedStatements {
		return nil
	}
	oldest := c.recent.Remove(c.recent.Back()).(*cachedStmt) //nolint:forcetypeassert // the list holds nothing else
	delete(c.byQuery, oldest.query)
	return oldest.stmt.Close()
}

// close closes all statements.
func (c *stmtCache) close() {
	for e := c.recent.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*cachedStmt).stmt.Close() //nolint:forcetypeassert // the list holds nothing else
	}
	c.recent.Init()
	clear(c.byQuery)
}
