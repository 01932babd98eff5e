package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests over a fixed number of kept connections, each sending its next request when the last
// one was answered. Its client does the least that HTTP/1.1 allows, so that what is measured on a machine of
// few cores is the server.
type load struct {
	addr string
	// conns is the number of connections.
	conns int
	// request returns the whole i-th request, head and body.
	request func(i int) []byte
	// status is the status every answer must have.
	status int
}

// send sends the requests first to first+count-1 and returns the time until the last answer.
func (l load) send(ctx context.Context, first, count int) (time.Duration, error) {
	clients, err := l.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer closeAll(clients)
	var next atomic.Int64
	next.Store(int64(first))
	errs := make([]error, len(clients))
	var done sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		done.Go(func() { errs[i] = l.work(c, &next, int64(first+count)) })
	}
	done.Wait()
	return time.Since(start), errors.Join(errs...)
}

func (l load) dial(ctx context.Context) ([]*client, error) {
	var clients []*client
	for range l.conns {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", l.addr)
		if err == nil {
			deadline, ok := ctx.Deadline()
			if !ok {
				deadline = time.Now().Add(longest)
			}
			err = conn.SetDeadline(deadline)
		}
		if err != nil {
			closeAll(clients)
			return nil, fmt.Errorf("dial: %w", err)
		}
		clients = append(clients, &client{conn: conn, in: bufio.NewReader(conn)})
	}
	return clients, nil
}

func (l load) work(c *client, next *atomic.Int64, end int64) error {
	for {
		i := next.Add(1) - 1
		if i >= end {
			return nil
		}
		status, err := c.do(l.request(int(i)))
		if err != nil {
			return fmt.Errorf("send request %d: %w", i, err)
		}
		if status != l.status {
			return fmt.Errorf("send request %d: got status %d", i, status)
		}
	}
}

// client is one connection.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func closeAll(clients []*client) {
	for _, c := range clients {
		_ = c.conn.Close() // read to its end or broken; either way nothing is lost
	}
}

// do sends one request and reads the answer, which must have a Content-Length.
func (c *client) do(request []byte) (status int, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("read status line: got %q", line)
	}
	if status, err = strconv.Atoi(line[9:12]); err != nil {
		return 0, fmt.Errorf("read status line: got %q", line)
	}
	length, err := c.readHead()
	if err != nil {
		return 0, err
	}
	_, err = c.in.Discard(length)
	return status, err
}

func (c *client) readHead() (length int, err error) {
	length = -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[len(name):]))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("read answer: it has no Content-Length")
	}
	return length, nil
}

// post builds a POST request of a JSON body.
func post(path string, body []byte) []byte {
	head := "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n"
	return append([]byte(head), body...)
}
