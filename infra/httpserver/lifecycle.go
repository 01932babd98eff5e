package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"plugboard/infra/httpserver/internal/socket"
)

// headSlop is what net/http adds to the limit of a request's head that it is given.
const headSlop = 4096

// newHTTPServer makes the server of net/http.
func (s *Server) newHTTPServer() *http.Server {
	return &http.Server{
		Handler: entrance{s},
		// HeaderLimit is for the whole head. Net/http takes 0 for its default.
		MaxHeaderBytes:               max(s.config.HeaderLimit-headSlop, 1),
		ReadHeaderTimeout:            s.config.HeaderTimeout,
		ReadTimeout:                  s.config.ReadTimeout,
		IdleTimeout:                  s.config.IdleTimeout,
		WriteTimeout:                 s.config.RequestTimeout + s.config.WriteTimeout,
		ErrorLog:                     socket.ErrorLog(s.logger),
		DisableGeneralOptionsHandler: true,
		ConnState:                    s.conns.Changed,
		ConnContext:                  socket.Context,
	}
}

// ListenOn has [Server.Listen] take l in the place of binding the address of the settings. From Listen on the server closes l. Call it
// before Listen.
func (s *Server) ListenOn(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = l
}

// Listen binds the address. Connections are accepted from [Server.Serve] on. Listening twice is an error.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return fmt.Errorf("listen on %s: already listening", s.listener.Addr())
	}
	listener, err := s.bind(ctx)
	if err != nil {
		return err
	}
	s.listener = s.conns.Listen(listener)
	s.warnOfClients(listener.Addr())
	if s.config.TLSCert != "" {
		if s.http.TLSConfig, err = socket.TLSConfig(s.config.TLSCert, s.config.TLSKey, s.logger); err != nil {
			return err
		}
	}
	return s.ops.listen(ctx)
}

// bind returns the listener that the server was given, or else one on the address of the settings.
func (s *Server) bind(ctx context.Context) (net.Listener, error) {
	if s.given != nil {
		return s.given, nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.config.Addr)
	if err != nil {
		return nil, listenError(s.config.Addr, "APP_HTTP_ADDR", err)
	}
	return listener, nil
}

// listenError says what is wrong with an address that comes from a setting.
func listenError(addr, setting string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s: another process uses this address; stop it, or set %s: %w", addr, setting, err)
	}
	return fmt.Errorf("listen on %s (%s): %w", addr, setting, err)
}

// LimitConnections has the server keep at most so many connections open, including the spare ones for probes. It returns the limit
// that is left for other requests, and 0 when the limit of the settings is lower already. Call it before [Server.Serve].
func (s *Server) LimitConnections(most int) (left int) { return s.conns.Lower(most) }

// Addr returns the address that is listened on, "" before [Server.Listen].
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Serve starts to serve what [Server.Listen] has bound, and returns. Without Listen, and the second time, it does
// nothing. Should serving end by itself, [Server.Failed] tells.
func (s *Server) Serve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops.serve()
	if s.listener == nil || s.served != nil {
		return
	}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		serve := s.http.Serve
		if s.http.TLSConfig != nil {
			serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
		}
		if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve %s: %w", s.listener.Addr(), err)
		}
	}()
}

// Failed receives the error when serving ends although nobody stopped it.
func (s *Server) Failed() <-chan error { return s.failed }

// SetReady sets what /readyz asks. Until it is set, the service is not ready.
func (s *Server) SetReady(probe func(context.Context) error) { s.ready.Store(&probe) }

// Drain makes the service not ready and ends the contexts of streams. The service still accepts requests, and closes the connection after
// the answer to each request that begins from now on.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.endStreams()
}

// Shutdown drains, stops accepting, and waits until every request is answered whose head the server has read, also when it still waits
// for the work pool. It closes connections on which no head has arrived in full. When ctx ends first, the error says how many requests
// were not finished.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.closeUnservedListener()
	done := make(chan error, 1)
	go func() { done <- s.http.Shutdown(ctx) }()
	err := s.waitConnections(done)
	if left := s.active.wait(ctx); left > 0 {
		return fmt.Errorf("shut down http server: %d requests were not finished: %w", left, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("shut down http server: %w", err)
	}
	s.waitServed()
	return nil
}

// waitConnections waits for net/http's shutdown. Meanwhile it closes connections on which no request arrives within a fifth of a second;
// net/http would wait five seconds for those. A client that has connected sends at once, unless its machine is busy. The time counts from each
// call: ticks of a clock that are late may follow each other at once.
func (s *Server) waitConnections(done <-chan error) error {
	const halfGrace = 100 * time.Millisecond
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(halfGrace):
			s.conns.CloseFresh()
		}
	}
}

// Close ends everything at once: connections, and with them the contexts of their requests.
func (s *Server) Close() error {
	s.Drain()
	s.closeUnservedListener()
	err := s.http.Close()
	s.waitServed()
	s.ops.close()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close http server: %w", err)
	}
	return nil
}

// closeUnservedListener closes the listener before [Server.Serve]. After it, net/http has the listener, and closes it.
func (s *Server) closeUnservedListener() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil && s.served == nil {
		_ = s.listener.Close() // closed twice is closed
	}
}

// waitServed waits until the goroutine that serves has ended, if there is one.
func (s *Server) waitServed() {
	s.mu.Lock()
	served := s.served
	s.mu.Unlock()
	if served != nil {
		<-served
	}
}

// activity counts the requests whose handler was entered.
type activity struct {
	count atomic.Int64
	idle  chan struct{} // holds a token when the count has come to 0
}

// enter returns how many are active with this one.
func (a *activity) enter() int64 { return a.count.Add(1) }

func (a *activity) leave() {
	if a.count.Add(-1) == 0 {
		a.signal()
	}
}

func (a *activity) signal() {
	select {
	case a.idle <- struct{}{}:
	default:
	}
}

// wait returns 0 when no request is active, or their number when ctx ends before.
func (a *activity) wait(ctx context.Context) int64 {
	for a.count.Load() > 0 {
		select {
		case <-a.idle:
		case <-ctx.Done():
			return a.count.Load()
		}
	}
	a.signal() // for others that wait too
	return 0
}

// allow completes a list of methods for the Allow header.
func allow(methods string) string {
	list := strings.Split(methods, ", ")
	list = append(list, http.MethodOptions)
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
