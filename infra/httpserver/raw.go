package httpserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
)

// serveRaw runs a plugin's own Gin handler within the host's limits.
func (e *endpoint) serveRaw(ctx context.Context, x *exchange, c *gin.Context) {
	ctx, err := e.admit(ctx, x)
	if err != nil {
		x.fail(x, err)
		return
	}
	r := x.request.WithContext(ctx)
	if r.ContentLength != 0 {
		r.Body = http.MaxBytesReader(x.ResponseWriter, x.watched(), e.bodyLimit)
	}
	c.Request = r
	defer func() { removeUploads(r, c.Request) }()
	x.applyHeader(x.Header())
	x.Header().Del("Content-Type") // these are for who writes the body to say
	x.Header().Del("Content-Length")
	x.raw = true
	e.Raw(c)
	if x.status == 0 && !c.Writer.Written() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		x.fail(x, ctx.Err())
	}
}

// removeUploads removes the files into which the forms of requests were parsed. net/http removes only those of the request
// that it made, of which handlers and guards have copies.
func removeUploads(requests ...*http.Request) {
	for _, r := range requests {
		if r != nil && r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll() // a file that cannot be removed is the system's to clean up
		}
	}
}
