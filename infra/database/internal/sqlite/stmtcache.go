package sqlite

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

// stmtCache keeps the prepared statements of one connection. It is for one goroutine at a time, as the connection is.
type stmtCache struct {
	byQuery map[string]*list.Element
	recent  list.List // of *cachedStmt, the last used first
}

// cachedStmt is a prepared statement. One that runs stays in its place in the cache: a map whose keys come and go with
// each statement is slow.
type cachedStmt struct {
	query   string
	stmt    rawStmt
	running bool
	place   *list.Element // nil for one that is not kept
}

// take returns a statement for query that is nobody else's until it is put back or dropped.
func (c *stmtCache) take(ctx context.Context, conn rawConn, query string) (*cachedStmt, error) {
	e, ok := c.byQuery[query]
	if ok {
		s := e.Value.(*cachedStmt) //nolint:forcetypeassert // the list holds nothing else
		if !s.running {
			s.running = true
			c.recent.MoveToFront(e)
			return s, nil
		}
	}
	stmt, err := conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &cachedStmt{query: query, stmt: stmt.(rawStmt), running: true} //nolint:forcetypeassert // what modernc.org/sqlite's has
	if !ok && len(query) <= cachedLength {
		c.keep(s)
	}
	return s, nil
}

// keep gives s a place, for which the statement leaves that was not used for the longest time.
func (c *stmtCache) keep(s *cachedStmt) {
	if c.byQuery == nil {
		c.byQuery = make(map[string]*list.Element, cachedStatements)
	}
	s.place = c.recent.PushFront(s)
	c.byQuery[s.query] = s.place
	if c.recent.Len() <= cachedStatements {
		return
	}
	oldest := c.recent.Back().Value.(*cachedStmt) //nolint:forcetypeassert // the list holds nothing else
	c.forget(oldest)
	if !oldest.running { // else it is closed when it is put back
		_ = oldest.stmt.Close()
	}
}

func (c *stmtCache) forget(s *cachedStmt) {
	if s.place != nil {
		c.recent.Remove(s.place)
		delete(c.byQuery, s.query)
		s.place = nil
	}
}

// put ends the use of a statement that has run without an error. One that has no place is closed.
func (c *stmtCache) put(s *cachedStmt) error {
	if s.place == nil {
		return s.stmt.Close()
	}
	s.running = false
	return nil
}

// drop closes a statement that has failed.
func (c *stmtCache) drop(s *cachedStmt) error {
	c.forget(s)
	return s.stmt.Close()
}

// close closes all statements but the ones that run, which are closed when they are put back.
func (c *stmtCache) close() {
	for c.recent.Len() > 0 {
		s := c.recent.Front().Value.(*cachedStmt) //nolint:forcetypeassert // the list holds nothing else
		c.forget(s)
		if !s.running {
			_ = s.stmt.Close()
		}
	}
}
