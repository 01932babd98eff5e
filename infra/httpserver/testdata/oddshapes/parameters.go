package oddshapes

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"plugboard/app"
)

type paths struct {
	ID   int64     `uri:"id" json:"-"`
	Name string    `uri:"name" json:"-"`
	Day  app.Date  `uri:"day" json:"-"`
	Key  uuid.UUID `uri:"key" json:"-"`
	On   bool      `uri:"on" json:"-"`
	Rate float32   `uri:"rate" json:"-"`
}

type queries struct {
	IDs   []int64       `form:"id" binding:"max=3,dive,gt=0"`
	Names []word        `form:"name[]" default:"a,b"`
	Limit int           `form:"limit" default:"20" binding:"min=1,max=100"`
	Since *time.Time    `form:"since"`
	Day   app.Date      `form:"day" default:"2026-01-31"`
	Wait  time.Duration `form:"wait" default:"1m30s"`
	On    *bool         `form:"on"`
	Color *Color        `form:"color"`
	Exact json.Number   `form:"exact" default:"0.10"`
	Q     string        `form:"q" binding:"omitempty,min=2"`
}

type headers struct {
	Count  uint8      `header:"X-Count" default:"7"`
	IDs    []int      `header:"x-ids"`
	Days   []app.Date `header:"X-Days"`
	Key    *string    `header:"Idempotency-Key" binding:"omitempty,max=8"`
	Accept []string   `header:"Accept"`
}

type cookies struct {
	Session string `cookie:"session" binding:"required"`
	Count   *int   `cookie:"count"`
	Day     string `cookie:"__Host-day" default:"none"`
}

type everywhere struct {
	ID    int      `uri:"id"`
	Force bool     `form:"force"`
	Tags  []string `header:"X-Tags"`
	User  string   `cookie:"user"`
	Name  string   `json:"name" binding:"required"`
}

type urlForm struct {
	Name  string   `form:"name" binding:"required"`
	Tags  []string `form:"tag"`
	Price *float64 `form:"price"`
}

type upload struct {
	Title string      `form:"title" binding:"required"`
	Day   *app.Date   `form:"day"`
	Image *app.File   `form:"image" binding:"required"`
	More  []*app.File `form:"more" binding:"max=2"`
}

type uploaded struct {
	Title string   `json:"title"`
	Names []string `json:"names"`
	Bytes int      `json:"bytes"`
}

type signed struct {
	Sent app.RawBody
	Name string `json:"name"`
}

type webhook struct {
	Sent app.RawBody `binding:"required"`
	Sign string      `header:"X-Signature"`
}

type size struct {
	Bytes int    `json:"bytes"`
	Name  string `json:"name"`
}

// parameters are shapes that are filled from elsewhere than a JSON body.
func parameters() []Shape {
	const form = "Content-Type: application/x-www-form-urlencoded"
	const id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	return []Shape{
		take[paths]("paths", "GET", "/odd/paths/:id/:name/:day/:key/:on/:rate", list(
			asked("/odd/paths/-5/a%2Fb+/2026-01-31/"+id+"/true/0.5", `{"got":"{ID:-5 Name:a/b+ Day:2026-01-31 Key:`+id+` On:true Rate:0.5}"}`),
			Exchange{Target: "/odd/paths/5/a/2026-01-32/" + id + "/true/0.5", Status: 422, Answer: broken("day", "type", "must be a date such as 2006-01-02")})),
		take[queries]("queries", "GET", "/odd/queries", list(
			asked("/odd/queries", `{"got":"{IDs:[] Names:[a b] Limit:20 Since:<nil> Day:2026-01-31 Wait:1m30s On:<nil> Color:<nil> Exact:0.10 Q:}"}`),
			asked("/odd/queries?id=1&id=2&name[]=x&limit=5&day=2026-02-01&wait=2s&q=%C3%A4%2B", `{"got":"{IDs:[1 2] Names:[x] Limit:5 Since:<nil> Day:2026-02-01 Wait:2s On:<nil> Color:<nil> Exact:0.10 Q:ä+}"}`),
			Exchange{Target: "/odd/queries?id=1&id=0", Status: 422, Answer: broken("id.1", "gt", "must be greater than 0")},
			Exchange{Target: "/odd/queries?exact=1e", Status: 422, Answer: broken("exact", "type", "must be a number")},
			Exchange{Target: "/odd/queries?limit=1&limit=2", Status: 422, Answer: broken("limit", "single", "must be given once")})),
		take[struct {
			A string `form:"a"`
		}]("strict_query", "DELETE", "/odd/strict_query", list(
			asked("/odd/strict_query?a=1", `{"got":"{A:1}"}`),
			Exchange{Target: "/odd/strict_query?b=1", Status: 422, Answer: broken("b", "unknown", "is not a known parameter")}), app.Strict()),
		take[headers]("headers", "GET", "/odd/headers", list(
			asked("/odd/headers", `{"got":"{Count:7 IDs:[1 2 3] Days:[2026-01-31 2026-02-01] Key:<nil> Accept:[a/b c/d;q=0.5]}"}`,
				"X-Ids: 1,2", "X-Ids: 3", "X-Days: 2026-01-31, 2026-02-01", "Accept: a/b, c/d;q=0.5"))),
		take[cookies]("cookies", "GET", "/odd/cookies", list(
			asked("/odd/cookies", `{"got":"{Session:s Count:<nil> Day:none}"}`, "Cookie: session=s; other=1"),
			Exchange{Target: "/odd/cookies", Status: 422, Answer: broken("session", "required", "is required")})),
		take[everywhere]("everywhere", "PUT", "/odd/everywhere/:id", list(
			Exchange{Target: "/odd/everywhere/7?force=true", Headers: []string{asJSON, "X-Tags: a,b", "Cookie: user=u"}, Body: `{"name":"n","id":9,"force":false}`,
				Status: 200, Answer: envelope(`{"got":"{ID:7 Force:true Tags:[a b] User:u Name:n}"}`)})),
		take[urlForm]("url_form", "POST", "/odd/url_form", list(
			Exchange{Target: "/odd/url_form?name=q", Headers: []string{form}, Body: "name=a+b%26&tag=1&tag=2", Status: 200, Answer: envelope(`{"got":"{Name:a b& Tags:[1 2] Price:<nil>}"}`)})),
		endpoint("upload", "POST", "/odd/upload", takeUpload, list(
			Exchange{Target: "/odd/upload", Headers: []string{"Content-Type: multipart/form-data; boundary=B"}, Status: 200,
				Body:   multipart("title", "", "t") + multipart("image", "a.png", "123") + multipart("more", `..\b.txt`, "45") + multipart("more", "c", "6") + "--B--\r\n",
				Answer: envelope(`{"title":"t","names":["a.png","b.txt","c"],"bytes":6}`)},
			Exchange{Target: "/odd/upload", Headers: []string{"Content-Type: multipart/form-data; boundary=B"}, Status: 422,
				Body: multipart("title", "", "t") + "--B--\r\n", Answer: broken("image", "required", "is required")})),
		endpoint("signed", "POST", "/odd/signed", func(_ context.Context, req signed) (size, error) { return size{len(req.Sent), req.Name}, nil },
			at("/odd/signed", list(given(`{ "name": "a" }`, `{"bytes":15,"name":"a"}`)))),
		endpoint("webhook", "POST", "/odd/webhook", func(_ context.Context, req webhook) (size, error) { return size{len(req.Sent), req.Sign}, nil },
			list(Exchange{Target: "/odd/webhook", Headers: []string{"Content-Type: x/y", "X-Signature: s"}, Body: "\x00\xff", Status: 200, Answer: envelope(`{"bytes":2,"name":"s"}`)})),
	}
}

func takeUpload(_ context.Context, req upload) (uploaded, error) {
	u := uploaded{Title: req.Title}
	for _, f := range append([]*app.File{req.Image}, req.More...) {
		u.Names, u.Bytes = append(u.Names, f.Name), u.Bytes+len(f.Content)
	}
	return u, nil
}

// multipart is a part of a form; one with a file name is a file.
func multipart(name, file, content string) string {
	if file != "" {
		file = `; filename="` + file + `"`
	}
	return "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"" + file + "\r\n\r\n" + content + "\r\n"
}
