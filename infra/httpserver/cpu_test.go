package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// detachedPool runs a job on a goroutine of its own and stops waiting when its caller's time is up, as the real
// one does.
type detachedPool struct{ finished chan struct{} }

func (p detachedPool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	type result struct {
		v   any
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := work(newInlineJob(ctx))
		done <- result{v, err}
		p.finished <- struct{}{}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for job: %w", ctx.Err())
	}
}

// fullPool takes nothing.
type fullPool struct{}

func (fullPool) Run(context.Context, func(app.Job) (any, error)) (any, error) {
	return nil, app.Errorf(app.Unavailable, "the work queue is full")
}

// The stream of a job that nobody waits for any more is closed; so is one that comes with an error.
func TestTheStreamOfAnAbandonedJobIsClosed(t *testing.T) {
	t.Parallel()
	pool := detachedPool{make(chan struct{}, 1)}
	stream := &closer{Reader: strings.NewReader("x")}
	k := serve(t, func(b *app.Boot) {
		b.GET("/late", app.HandleCPU(func(job app.Job, _ nothing) (app.Binary, error) {
			<-job.Done()
			return app.Binary{ContentType: "text/plain", Stream: stream}, nil
		}), app.Timeout(time.Millisecond))
		b.GET("/error", app.HandleCPU(func(app.Job, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Stream: stream}, errInternal
		}))
		b.GET("/sent", app.HandleCPU(func(app.Job, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Stream: stream}, nil
		}))
	}, func(p *httpserver.Params) { p.Pool = pool })
	for path, status := range map[string]int{"/late": 504, "/error": 500, "/sent": 200} {
		stream.closed = false
		require.Equal(t, status, k.do("GET", path, "").Code)
		<-pool.finished
		require.True(t, stream.closed, path)
	}
}

type hashRequest struct {
	Text string    `form:"text"`
	File *app.File `form:"file"`
}

func TestCPUHandlersRunOnThePoolWithTheirRequest(t *testing.T) {
	t.Parallel()
	pool := detachedPool{make(chan struct{}, 10)}
	k := serve(t, func(b *app.Boot) {
		b.POST("/hash", app.HandleCPU(func(job app.Job, req hashRequest) (jsonBody, error) {
			job.SetStatus(202)
			job.Logger().Info("hashing", zap.String("x", "y"))
			return jsonBody{req.Text + string(req.File.Content)}, nil
		}))
		b.POST("/fail", app.HandleCPU(func(app.Job, nothing) (jsonBody, error) {
			return jsonBody{}, app.Errorf(app.Invalid, "cannot")
		}))
	}, func(p *httpserver.Params) { p.Pool = pool })
	w := k.do("POST", "/hash", multipartBody("Content-Disposition: form-data; name=\"text\"\r\n\r\na", "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nb"), asMultipart)
	require.Equal(t, 202, w.Code)
	require.Equal(t, `{"success":true,"data":{"name":"ab"},"error":null}`, w.Body.String())
	require.Equal(t, `{"success":false,"data":null,"error":"cannot","code":"invalid"}`, k.do("POST", "/fail", "").Body.String())
	require.Equal(t, 415, k.do("POST", "/hash", `{}`, asJSON).Code, "binding comes before the pool")
}

func TestFullPoolIsAnswered503AtOnce(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.POST("/x", app.HandleCPU(func(app.Job, nothing) (app.Empty, error) { return app.Empty{}, nil }))
	}, func(p *httpserver.Params) { p.Pool = fullPool{} })
	w := k.do("POST", "/x", "")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// forewarning is a pool that can tell beforehand that it is full.
type forewarning struct{ fullPool }

func (f forewarning) Refuses(ctx context.Context) error {
	_, err := f.Run(ctx, nil)
	return err
}

// What a full pool would refuse is refused before the body is read, for those endpoints alone that need the pool.
func TestFullPoolIsAnsweredBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.POST("/x", app.HandleCPU(func(app.Job, jsonBody) (app.Empty, error) { return app.Empty{}, nil }))
		b.POST("/io", app.Handle(accept[jsonBody]))
	}, func(p *httpserver.Params) { p.Pool = forewarning{} })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", untouched{t})
	r.ContentLength = 10
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	require.Equal(t, 503, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Equal(t, 200, k.do("POST", "/io", `{"name":"a"}`, asJSON).Code)
}

// A job that outlives its request goes on with memory of its own: what the server does with its buffers in the
// meantime does not reach it.
func TestJobThatOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	pool := detachedPool{make(chan struct{}, 1000)}
	started, release := make(chan struct{}), make(chan struct{})
	var got string
	k := serve(t, func(b *app.Boot) {
		b.POST("/slow", app.HandleCPU(func(job app.Job, req jsonBody) (jsonBody, error) {
			close(started)
			<-job.Done()
			<-release
			job.SetStatus(201)
			got = req.Name
			return jsonBody{req.Name}, nil
		}), app.Timeout(20*1e6))
		b.POST("/other", app.Handle(accept[jsonBody]))
	}, func(p *httpserver.Params) { p.Pool = pool })
	name := strings.Repeat("mine", 100)
	w := k.do("POST", "/slow", `{"name":"`+name+`"}`, asJSON)
	<-started
	require.Equal(t, 504, w.Code)
	require.Equal(t, `{"success":false,"data":null,"error":"the request took too long","code":"timeout"}`, w.Body.String())
	for range 50 {
		k.do("POST", "/other", `{"name":"`+strings.Repeat("else", 100)+`"}`, asJSON)
	}
	close(release)
	<-pool.finished
	require.Equal(t, name, got)
}
