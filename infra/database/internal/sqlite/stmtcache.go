package sqlite

import (
	"container/list"
	"context"
	"database/sql/driver"
)

const (
	// cachedStatements is how many prepared statements a connection keeps, since preparing costs more than running a short statement. The
	// least recently used one leaves first.
	cachedStatements = 64
	// cachedLength is the longest statement that is kept, in bytes. Longer ones are rarely run twice.
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

// cachedStmt is a prepared statement. It keeps its place in the cache while it runs, since adding and deleting map keys for each
// statement is slow.
type cachedStmt struct {
	query   string
	stmt    rawStmt
	running bool
	place   *list.Element // nil if it is not in the cache
}

// take returns a statement for query. The caller alone uses it until put or drop.
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

// keep puts s into the cache. In a full cache, the least recently used statement leaves.
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
	if !oldest.running { // otherwise put closes it
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

// put ends the use of a statement that has run without an error. A statement outside the cache is closed.
func (c *stmtCache) put(s *cachedStmt) error {
	if s.place == nil {
		return s.stmt.Close()
	}
	s.running = false
	return nil
}

// drop closes a statement after an error.
func (c *stmtCache) drop(s *cachedStmt) error {
	c.forget(s)
	return s.stmt.Close()
}

// close closes all statements that do not run. The others leave the cache, and put or drop closes them.
func (c *stmtCache) close() {
	for c.recent.Len() > 0 {
		s := c.recent.Front().Value.(*cachedStmt) //nolint:forcetypeassert // the list holds nothing else
		c.forget(s)
		if !s.running {
			_ = s.stmt.Close()
		}
	}
}
