package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// brittleError fails where others ask it what it is, when it is nil.
type brittleError struct{ cause error }

func (e *brittleError) Error() string { return e.cause.Error() }
func (e *brittleError) Unwrap() error { return e.cause }

// mute panics when it is asked for its text.
type mute struct{}

func (mute) Error() string { panic("no text") }

// faultRequest asks for one of the faults.
type faultRequest struct {
	Fault string `form:"fault"`
}

func (r faultRequest) Validate() error { return faults()[r.Fault] }

func faults() map[string]error {
	var brittle *brittleError
	var known *app.Error
	return map[string]error{
		"typed nil":           brittle,
		"wrapped typed nil":   fmt.Errorf("get product: %w", brittle),
		"nil app.Error":       known,
		"wrapped nil Error":   errors.Join(known, errInternal),
		"text panics":         mute{},
		"wrapped text panics": &brittleError{mute{}},
	}
}

// An error that breaks whoever looks at it is answered and logged like any other, wherever a plugin returns it.
func TestErrorsThatPanicAreAnswered(t *testing.T) {
	t.Parallel()
	for name, err := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := serve(t, func(b *app.Boot) {
				fail := func(context.Context, nothing) (app.Empty, error) { return app.Empty{}, err }
				b.GET("/handler", app.Handle(fail))
				b.GET("/cpu", app.HandleCPU(func(app.Job, nothing) (app.Empty, error) { return app.Empty{}, err }))
				b.GET("/validate", app.Handle(accept[faultRequest]))
				b.GET("/guard", app.Handle(accept[nothing]), app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
					return ctx, err
				}))
			}, func(p *httpserver.Params) {
				written := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.DebugLevel)
				p.Logger = zap.New(zapcore.NewTee(p.Logger.Core(), written))
			})
			for _, path := range []string{"/handler", "/cpu", "/validate", "/guard"} {
				before := k.problems()
				target := path
				if path == "/validate" {
					target += "?fault=" + url.QueryEscape(name)
				}
				w := k.do("GET", target, "")
				require.Equal(t, 500, w.Code, path)
				require.Equal(t, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, w.Body.String(), path)
				require.Equal(t, before+1, k.problems(), path)
			}
		})
	}
}

// problems counts the warnings and errors logged so far.
func (k kit) problems() int {
	return k.logs.Filter(func(e loggedEntry) bool { return e.Level >= zap.WarnLevel }).Len()
}
