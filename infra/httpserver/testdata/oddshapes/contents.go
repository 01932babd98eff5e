package oddshapes

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"plugboard/app"
)

type cut struct {
	Range *string `header:"Range"`
}

// contents are shapes whose answers are no JSON.
func contents() []Shape {
	picture := func(_ context.Context, _ cut) (app.Binary, error) {
		return app.Binary{ContentType: "image/png", Bytes: []byte("0123456789"), ETag: "v1"}, nil
	}
	stream := func(context.Context, none) (app.Binary, error) {
		return app.Binary{ContentType: "text/csv", Stream: strings.NewReader("a,b\n"), Filename: "größe.csv"}, nil
	}
	return []Shape{
		endpoint("picture", "GET", "/odd/picture", picture, list(
			Exchange{Target: "/odd/picture", Status: 200, Answer: "0123456789", Answered: map[string][]string{"Etag": {`"v1"`}, "Content-Type": {"image/png"}}},
			Exchange{Target: "/odd/picture", Headers: []string{"Range: bytes=2-3"}, Status: 206, Answer: "23", Answered: map[string][]string{"Content-Range": {"bytes 2-3/10"}}},
			Exchange{Target: "/odd/picture", Headers: []string{"Range: lines=1-2"}, Status: 200, Answer: "0123456789"},
			Exchange{Target: "/odd/picture", Headers: []string{`If-None-Match: "v1"`}, Status: 304}), app.Produces("image/png")),
		endpoint("stream", "GET", "/odd/stream", stream, list(
			Exchange{Target: "/odd/stream", Status: 200, Answer: "a,b\n", Answered: map[string][]string{"Content-Type": {"text/csv"}}})),
		endpoint("not_yet", "GET", "/odd/not_yet", func(ctx context.Context, _ none) (app.Binary, error) {
			app.SetStatus(ctx, http.StatusAccepted)
			return app.Binary{}, nil
		}, list(Exchange{Target: "/odd/not_yet", Status: 202, Answer: envelope(`{}`)}), app.Status(200, 202)),
		registered("cpu_picture", "POST", "/odd/cpu_picture", app.HandleCPU(func(_ app.Job, req point) (app.Binary, error) {
			return app.Binary{ContentType: "image/gif", Bytes: []byte(strings.Repeat("x", max(0, min(req.X, 1000))))}, nil
		}), list(Exchange{Target: "/odd/cpu_picture", Headers: []string{asJSON}, Body: `{"x":3,"y":0}`, Status: 200, Answer: "xxx"}), app.Produces("image/gif")),
		{Name: "raw", Method: "GET", Path: "/odd/raw/*rest",
			Exchanges: list(Exchange{Target: "/odd/raw/a/b", Status: 200, Answer: "/a/b", Answered: map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}}}),
			register: func(b *app.Boot) {
				b.Raw(http.MethodGet, "/odd/raw/*rest", func(c *gin.Context) { c.String(http.StatusOK, "%s", c.Param("rest")) }, app.Tags("Odd"), app.Produces("text/plain"))
			}},
	}
}
