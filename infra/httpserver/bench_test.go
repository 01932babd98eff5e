package httpserver_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver"
)

type benchRequest struct {
	Name  string  `json:"name" binding:"required,min=1,max=200"`
	Price float64 `json:"price" binding:"required,gt=0"`
}

type benchData struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

func benchSettings() config.HTTP {
	return config.HTTP{
		BodyLimit: 1 << 20, HeaderLimit: 64 << 10, HeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, RequestTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
	}
}

// nullWriter is an answer nobody reads.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(int)             {}

func post(b *testing.B, h http.Handler, path string) {
	b.Helper()
	body := []byte(`{"name":"Desk lamp","price":49.9}`)
	reader := bytes.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, path, reader)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		b.Fatalf("status %d: %s", w.Code, w.Body)
	}
	null := &nullWriter{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		clear(null.header)
		h.ServeHTTP(null, r)
	}
}

// BenchmarkPost compares a typed endpoint with the same handler written by hand for Gin, both behind the same front
// door. What matters is each one's time less that of the empty route.
func BenchmarkPost(b *testing.B) {
	info := app.PluginInfo{Name: "bench.plugin"}
	typed := app.Handle(func(_ context.Context, req benchRequest) (benchData, error) {
		return benchData{ID: 1, Name: req.Name, Price: req.Price}, nil
	})
	byHand := func(c *gin.Context) {
		var req benchRequest
		if err := c.ShouldBindJSON(&req); err != nil {
			c.JSON(http.StatusUnprocessableEntity, app.Failure{Error: err.Error()})
			return
		}
		c.JSON(http.StatusCreated, app.Response[benchData]{Success: true, Data: &benchData{ID: 1, Name: req.Name, Price: req.Price}})
	}
	s := httpserver.New(httpserver.Params{HTTP: benchSettings(), Logger: zap.NewNop()})
	endpoints := []app.Endpoint{
		{Plugin: info, Method: "POST", Path: "/typed", Handler: typed, Options: app.EndpointOptions{Statuses: []int{201}}},
		{Plugin: info, Method: "POST", Path: "/hand", Raw: byHand},
		{Plugin: info, Method: "POST", Path: "/empty", Raw: func(c *gin.Context) { c.Status(http.StatusCreated) }},
	}
	if err := s.Mount(endpoints); err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"/empty", "/typed", "/hand"} {
		b.Run(path[1:], func(b *testing.B) { post(b, s.Handler(), path) })
	}
}

// BenchmarkCheck compiles a thousand endpoints.
func BenchmarkCheck(b *testing.B) {
	typed := app.Handle(func(_ context.Context, req benchRequest) (benchData, error) { return benchData{}, nil })
	var endpoints []app.Endpoint
	for i := range 1000 {
		endpoints = append(endpoints, app.Endpoint{
			Plugin: app.PluginInfo{Name: "bench.plugin"}, Source: strconv.Itoa(i), Method: "POST", Path: "/things" + strconv.Itoa(i), Handler: typed,
		})
	}
	for b.Loop() {
		s := httpserver.New(httpserver.Params{HTTP: benchSettings()})
		if problems := s.Check(endpoints); len(problems) > 0 {
			b.Fatal(problems)
		}
		if err := s.Mount(endpoints); err != nil {
			b.Fatal(err)
		}
	}
}
