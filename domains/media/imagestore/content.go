package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"plugboard/app"
)

const (
	// pieceBytes is the most of an image's content that a [Content] holds.
	pieceBytes = 512 << 10
	// pieceTimeout is how long one piece may take to read.
	pieceTimeout = 10 * time.Second
	// readsAtOnce is how many pieces are read at a time: SQLite loads the whole content to give a piece of it.
	readsAtOnce = 4
)

// Content is an image's content as it was added, read from the database piece by piece. It implements io.ReadSeeker, holds
// neither a connection nor a transaction between two reads, and is for one goroutine. The first read reserves memory for a piece.
type Content struct {
	ctx    context.Context //nolint:containedctx // of the request whose answer is read
	store  *Store
	id     int64
	size   int64
	at     int64  // where the next read begins
	piece  []byte // what was read last
	pieced int64  // where piece begins
}

// Content returns the content of an image, of size bytes. It reads nothing yet. Reading goes on after ctx has
// ended, since the host reads an answer when the handler has returned.
func (s *Store) Content(ctx context.Context, id int64, size int) *Content {
	return &Content{ctx: context.WithoutCancel(ctx), store: s, id: id, size: int64(size)}
}

// Read implements io.Reader.
func (c *Content) Read(p []byte) (int, error) {
	if c.at >= c.size {
		return 0, io.EOF
	}
	if c.at < c.pieced || c.at >= c.pieced+int64(len(c.piece)) {
		if err := c.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.piece[c.at-c.pieced:])
	c.at += int64(n)
	return n, nil
}

// load reads the piece that begins where the next read does.
func (c *Content) load() error {
	ctx, cancel := context.WithTimeout(c.ctx, pieceTimeout)
	defer cancel()
	if c.piece == nil {
		if err := app.Reserve(ctx, min(pieceBytes, c.size)); err != nil {
			return err
		}
	}
	piece, err := c.store.piece(ctx, c.id, c.at, min(pieceBytes, c.size-c.at))
	if err != nil {
		return err
	}
	c.piece, c.pieced = piece, c.at
	return nil
}

// Seek implements io.Seeker.
func (c *Content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("seek content of image: before its beginning")
	}
	c.at = offset
	return offset, nil
}

// Load returns an image's content, of size bytes, as a whole.
func (s *Store) Load(ctx context.Context, id int64, size int) ([]byte, error) {
	return s.piece(ctx, id, 0, int64(size))
}

// piece reads n bytes of an image's content from a place on.
func (s *Store) piece(ctx context.Context, id, from, n int64) ([]byte, error) {
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	case <-ctx.Done():
		return nil, fmt.Errorf("read content of image: %w", ctx.Err())
	}
	var pieces [][]byte
	err := s.db.WithContext(ctx).Table("image_contents").Where("image_id = ?", id).
		Select("substr(content, ?, ?)", from+1, n). // both databases count from 1
		Find(&pieces).Error
	switch {
	case err != nil:
		return nil, fmt.Errorf("read content of image: %w", err)
	case len(pieces) == 0:
		return nil, noImage(id)
	case len(pieces[0]) != int(n):
		return nil, fmt.Errorf("read content of image %d: %d bytes at %d, not %d", id, len(pieces[0]), from, n)
	default:
		return pieces[0], nil
	}
}
