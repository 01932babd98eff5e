package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/docs/benchmarks/measure"
	"plugboard/infra/httpserver"
)

// product is the request of the comparison, with the rules in the tags of each contestant's library.
type product struct {
	Name  string  `json:"name" binding:"required,min=1,max=200" minLength:"1" maxLength:"200"`
	Price float64 `json:"price" binding:"required,gt=0" exclusiveMinimum:"0"`
}

// productData is the answer.
type productData struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

const productBody = `{"name":"Desk lamp","price":49.9}`

// order is a larger request, with a list of structs.
type order struct {
	Customer string      `json:"customer" binding:"required,min=1,max=200" minLength:"1" maxLength:"200"`
	Email    string      `json:"email" binding:"required,email" format:"email"`
	Note     string      `json:"note" binding:"max=500" maxLength:"500"`
	Items    []orderItem `json:"items" binding:"required,min=1,max=50,dive" minItems:"1" maxItems:"50"`
}

// orderItem is one line of an order.
type orderItem struct {
	SKU      string  `json:"sku" binding:"required,min=3,max=40" minLength:"3" maxLength:"40"`
	Quantity int     `json:"quantity" binding:"required,min=1,max=1000" minimum:"1" maximum:"1000"`
	Price    float64 `json:"price" binding:"required,gt=0" exclusiveMinimum:"0"`
}

// orderData is the answer to an order.
type orderData struct {
	ID    int64   `json:"id"`
	Items int     `json:"items"`
	Total float64 `json:"total"`
}

const orderBody = `{"customer":"Grace Hopper","email":"grace@example.org","note":"Leave it with the neighbour, please.",` +
	`"items":[{"sku":"LAMP-01","quantity":2,"price":49.9},{"sku":"DESK-17","quantity":1,"price":420},` +
	`{"sku":"CHAIR-3","quantity":4,"price":89.5},{"sku":"CABLE-9","quantity":10,"price":3.25},{"sku":"SHELF-4","quantity":1,"price":75}]}`

// makeProduct and makeOrder are what every contestant's handler does.
func makeProduct(p product) productData { return productData{ID: 1, Name: p.Name, Price: p.Price} }

func makeOrder(o order) orderData {
	data := orderData{ID: 1, Items: len(o.Items)}
	for _, item := range o.Items {
		data.Total += float64(item.Quantity) * item.Price
	}
	return data
}

// compareJSON measures one POST, validated and enveloped, written three ways and mounted on one router, net of
// the router's empty route.
func compareJSON(ctx context.Context, b *bench) (measure.Section, error) {
	section := measure.Section{
		Title: "POST JSON, validated and enveloped, net of the empty route",
		Config: []string{
			"In process, without a network: one goroutine calls the server's handler with a reused request and writer.",
			"All routes are on one server of ours and so pass the same router and middleware (request id, metrics, deadline, recovery; access log off). Each is net of the empty route of its kind: Gin handlers of one that does nothing, ours of a typed GET without fields that answers 204, which is the cheaper one since Gin handlers are given a request and a limited body of their own.",
			"Hand-written Gin: `ShouldBindJSON` with the same binding tags, the handler, `c.JSON` of `app.Response`. It accepts trailing data, duplicate and case-folded names, invalid UTF-8 and any media type, which ours refuses.",
			"Huma 2.37.2 on Gin: `huma.DefaultConfig` and the same envelope as its body; *lean* is without the hook that adds `$schema` to answers. The same rules, as schema tags.",
			fmt.Sprintf("Bodies: product, %d bytes, two members; order, %d bytes, five nested items.", len(productBody), len(orderBody)),
			"Per figure: 40 rounds in turn, the ratio of net times taken within each round, median and quartiles.",
		},
	}
	handler, err := serveJSON()
	if err != nil {
		return section, err
	}
	for _, c := range []struct{ name, body string }{{"product", productBody}, {"order", orderBody}} {
		findings, err := compareBody(ctx, b, handler, c.name, c.body)
		if err != nil {
			return section, err
		}
		section.Findings = append(section.Findings, findings...)
	}
	return section, nil
}

func compareBody(ctx context.Context, b *bench, handler http.Handler, name, body string) ([]measure.Finding, error) {
	var sides []measure.Side
	for _, r := range []route{
		{http.MethodPost, "/empty/raw", body, http.StatusOK}, {http.MethodGet, "/empty/typed", "", http.StatusNoContent},
		{http.MethodPost, "/ours/" + name, body, http.StatusCreated}, {http.MethodPost, "/gin/" + name, body, http.StatusCreated},
		{http.MethodPost, "/huma/" + name, body, http.StatusCreated}, {http.MethodPost, "/huma-lean/" + name, body, http.StatusCreated},
	} {
		side, err := r.side(handler)
		if err != nil {
			return nil, err
		}
		sides = append(sides, side)
	}
	all, err := measure.Interleave(ctx, b.plan(measure.Plan{Rounds: 40, Ops: 5000, Warmup: 5000}), sides...)
	if err != nil {
		return nil, err
	}
	b.say("  empty routes: raw %s, typed %s", all[0].Format(measure.Nanoseconds), all[1].Format(measure.Nanoseconds))
	ours := measure.Minus(all[2], all[1])
	finding := func(peer string, i int, limit measure.Limit) measure.Finding {
		net := measure.Minus(all[i], all[0])
		return measure.Finding{
			Name: "POST " + name + ", time of ours / " + peer, Value: measure.Ratio(ours, net), Limit: limit,
			Ours: ours.Format(measure.Nanoseconds), Peer: net.Format(measure.Nanoseconds),
		}
	}
	return []measure.Finding{
		finding("hand-written Gin", 3, measure.AtMost(0.70)),
		finding("Huma on Gin", 4, measure.AtMost(0.45)),
		finding("Huma on Gin, lean", 5, measure.Limit{}),
	}, nil
}

// serveJSON puts all contestants on one server of ours, with the settings of a service nobody configured.
func serveJSON() (http.Handler, error) {
	server := httpserver.New(httpserver.Params{HTTP: config.Default().HTTP, Logger: zap.NewNop(), Registerer: prometheus.NewRegistry()})
	endpoints := jsonEndpoints()
	if err := errors.Join(server.Check(endpoints)...); err != nil {
		return nil, fmt.Errorf("check endpoints: %w", err)
	}
	if err := server.Mount(endpoints); err != nil {
		return nil, fmt.Errorf("mount endpoints: %w", err)
	}
	return server.Handler(), nil
}

// jsonEndpoints are the three ways, for both bodies, and the empty route of each.
func jsonEndpoints() []app.Endpoint {
	var boot app.Boot
	boot.Raw(http.MethodPost, "/empty/raw", func(c *gin.Context) { c.Status(http.StatusOK) })
	boot.GET("/empty/typed", app.Handle(typed(func(struct{}) app.Empty { return app.Empty{} })), app.Status(http.StatusNoContent))
	boot.POST("/ours/product", app.Handle(typed(makeProduct)), app.Status(http.StatusCreated))
	boot.POST("/ours/order", app.Handle(typed(makeOrder)), app.Status(http.StatusCreated))
	boot.Raw(http.MethodPost, "/gin/product", handWritten(makeProduct))
	boot.Raw(http.MethodPost, "/gin/order", handWritten(makeOrder))
	mountHuma(&boot, "/huma", huma.DefaultConfig("bench", "1"))
	lean := huma.DefaultConfig("bench", "1")
	lean.CreateHooks = nil
	mountHuma(&boot, "/huma-lean", lean)
	return boot.Endpoints()
}

func typed[Req, Res any](fn func(Req) Res) func(context.Context, Req) (Res, error) {
	return func(_ context.Context, req Req) (Res, error) { return fn(req), nil }
}

// handWritten is the handler one writes for Gin by hand.
func handWritten[Req, Res any](fn func(Req) Res) gin.HandlerFunc {
	return func(c *gin.Context) {
		var req Req
		if err := c.ShouldBindJSON(&req); err != nil {
			c.JSON(http.StatusUnprocessableEntity, app.Failure{Error: err.Error(), Code: app.Invalid})
			return
		}
		data := fn(req)
		c.JSON(http.StatusCreated, app.Response[Res]{Success: true, Data: &data})
	}
}

type humaInput[Req any] struct{ Body Req }

type humaOutput[Res any] struct{ Body humaEnvelope[Res] }

// humaEnvelope is app.Response in a form Huma can make a schema of.
type humaEnvelope[Res any] struct {
	Success bool    `json:"success"`
	Data    *Res    `json:"data"`
	Error   *string `json:"error"`
}

func mountHuma(boot *app.Boot, prefix string, config huma.Config) {
	api := huma.NewAPI(config, &humaAdapter{boot: boot})
	huma.Register(api, humaOperation(prefix+"/product"), humaHandler(makeProduct))
	huma.Register(api, humaOperation(prefix+"/order"), humaHandler(makeOrder))
}

func humaOperation(path string) huma.Operation {
	return huma.Operation{OperationID: path, Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated}
}

func humaHandler[Req, Res any](fn func(Req) Res) func(context.Context, *humaInput[Req]) (*humaOutput[Res], error) {
	return func(_ context.Context, in *humaInput[Req]) (*humaOutput[Res], error) {
		data := fn(in.Body)
		return &humaOutput[Res]{Body: humaEnvelope[Res]{Success: true, Data: &data}}, nil
	}
}

// humaAdapter is humagin's adapter, with our server as the router. It mounts the operations of the comparison
// and leaves out Huma's own documentation routes.
type humaAdapter struct {
	boot *app.Boot
}

// Handle mounts one operation, the way humagin does.
func (a *humaAdapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	if op.Method != http.MethodPost {
		return
	}
	a.boot.Raw(op.Method, op.Path, func(c *gin.Context) { handler(humagin.NewContext(op, c)) })
}

// ServeHTTP is never called: requests come through our server.
func (a *humaAdapter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "not served here", http.StatusNotImplemented)
}

// route is a route that is called in process.
type route struct {
	method, path, body string
	// status is what it must answer.
	status int
}

func (r route) side(handler http.Handler) (measure.Side, error) {
	call, err := newCaller(handler, r)
	if err != nil {
		return measure.Side{}, err
	}
	return measure.Side{Name: r.path, Run: func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			call.do()
		}
		took := time.Since(start)
		if call.writer.status != r.status {
			return 0, fmt.Errorf("call %s: got status %d: %s", r.path, call.writer.status, call.writer.body.String())
		}
		return took, nil
	}}, nil
}

// caller calls a handler again and again without making garbage of its own.
type caller struct {
	handler http.Handler
	base    *http.Request
	request http.Request
	body    replay
	writer  replayWriter
}

func newCaller(handler http.Handler, to route) (*caller, error) {
	r, err := http.NewRequest(to.method, "http://127.0.0.1"+to.path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if to.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.RequestURI = to.path
	r.RemoteAddr = "127.0.0.1:1024"
	r.ContentLength = int64(len(to.body))
	return &caller{
		handler: handler, base: r,
		body:   replay{content: []byte(to.body)},
		writer: replayWriter{header: make(http.Header)},
	}, nil
}

func (c *caller) do() {
	c.request = *c.base
	c.body.Reader.Reset(c.body.content)
	if len(c.body.content) > 0 {
		c.request.Body = &c.body
	}
	c.writer.reset()
	c.handler.ServeHTTP(&c.writer, &c.request)
}

// replay is a request body that can be read again.
type replay struct {
	bytes.Reader
	content []byte
}

// Close implements io.Closer.
func (*replay) Close() error { return nil }

// replayWriter is a response writer that can be used again. It takes deadlines, as that of a real connection.
type replayWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

var _ io.StringWriter = (*replayWriter)(nil)

func (w *replayWriter) reset() {
	clear(w.header)
	w.status = 0
	w.body.Reset()
}

// Header implements http.ResponseWriter.
func (w *replayWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *replayWriter) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *replayWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.body.Write(p)
}

// WriteString implements io.StringWriter.
func (w *replayWriter) WriteString(s string) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.body.WriteString(s)
}

// SetReadDeadline implements what http.ResponseController looks for.
func (w *replayWriter) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements what http.ResponseController looks for.
func (w *replayWriter) SetWriteDeadline(time.Time) error { return nil }
