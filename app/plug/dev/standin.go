//go:build unix

package dev

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/host/devpage"
	"plugboard/infra/httpserver"
)

// standIn answers requests in the place of the service, with what is wrong. It is a server with the service's own settings, so it speaks
// TLS and refuses other hosts where the service does. A nil standIn is none.
type standIn struct{ server *httpserver.Server }

// stand begins to answer.
func stand(ctx context.Context, cfg config.Config, s *socket, status statusFile) (*standIn, error) {
	cfg.HTTP.Addr, cfg.Ops.Addr = s.addr.String(), "off"
	server := httpserver.New(httpserver.Params{App: cfg.App, HTTP: cfg.HTTP, Ops: cfg.Ops})
	server.AnswerFirst(func(w http.ResponseWriter, r *http.Request) (bool, error) {
		text := status.read()
		if devpage.IsNavigation(r) {
			devpage.Write(w, text)
			return true, nil
		}
		return false, app.Errorf(app.Unavailable, "%s", text)
	})
	if err := server.Mount(nil); err != nil {
		return nil, fmt.Errorf("answer requests: %w", err)
	}
	listener, err := net.FileListener(s.file)
	if err != nil {
		return nil, fmt.Errorf("answer requests: %w", err)
	}
	server.ListenOn(listener)
	if err := server.Listen(ctx); err != nil {
		_ = listener.Close() // the first error counts
		return nil, fmt.Errorf("answer requests: %w", err)
	}
	server.Serve()
	return &standIn{server}, nil
}

// stop ends the answering. Requests that have begun are answered.
func (s *standIn) stop() {
	if s == nil {
		return
	}
	const most = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	_ = s.server.Shutdown(ctx) // what is left is closed
	_ = s.server.Close()
}
