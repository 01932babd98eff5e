package oddshapes

import (
	"context"
	"net/http"
	"time"

	"plugboard/app"
)

type number struct {
	N int `form:"n" binding:"min=0"`
}

// statuses are shapes whose answers have another status, or headers.
func statuses() []Shape {
	only := func(target string, status int, answer string, answered map[string][]string) []Exchange {
		return list(Exchange{Target: target, Status: status, Answer: answer, Answered: answered})
	}
	return []Shape{
		endpoint("no_content", "DELETE", "/odd/no_content", func(context.Context, none) (app.Empty, error) { return app.Empty{}, nil },
			only("/odd/no_content", 204, "", nil), app.Status(http.StatusNoContent)),
		endpoint("accepted", "GET", "/odd/accepted", func(ctx context.Context, req number) (number2, error) {
			if req.N == 0 {
				app.SetStatus(ctx, http.StatusAccepted)
			}
			return number2(req), nil
		}, list(Exchange{Target: "/odd/accepted", Status: 202, Answer: envelope(`{"n":0}`)}, asked("/odd/accepted?n=1", `{"n":1}`)), app.Status(200, 202)),
		endpoint("redirect", "GET", "/odd/redirect", func(ctx context.Context, _ none) (app.Empty, error) {
			app.SetHeader(ctx, "Location", "/odd/empty")
			return app.Empty{}, nil
		}, only("/odd/redirect", 303, "", map[string][]string{"Location": {"/odd/empty"}}), app.Status(http.StatusSeeOther)),
		endpoint("not_modified", "GET", "/odd/not_modified", func(context.Context, none) (app.Empty, error) { return app.Empty{}, nil },
			only("/odd/not_modified", 304, "", nil), app.Status(http.StatusNotModified)),
		endpoint("fails", "GET", "/odd/fails", func(ctx context.Context, req number) (app.Empty, error) {
			if req.N > 0 {
				app.SetStatus(ctx, http.StatusTeapot)
			}
			return app.Empty{}, &app.Error{Code: app.TooMany, Message: "slow \"down\"", RetryAfter: 90 * time.Second}
		}, list(
			Exchange{Target: "/odd/fails", Status: 429, Answer: failure(`slow \"down\"`, "too_many"), Answered: map[string][]string{"Retry-After": {"90"}}},
			Exchange{Target: "/odd/fails?n=1", Status: 418, Answer: failure(`slow \"down\"`, "too_many")}), app.Fails(app.TooMany)),
		endpoint("set_cookies", "GET", "/odd/set_cookies", func(ctx context.Context, _ none) (app.Empty, error) {
			app.AddHeader(ctx, "Link", "<a>")
			app.AddHeader(ctx, "Link", "<b>")
			if err := app.SetCookie(ctx, app.Cookie{Name: "a", Value: "1"}); err != nil {
				return app.Empty{}, err
			}
			return app.Empty{}, app.SetCookie(ctx, app.Cookie{Name: "b", MaxAge: -1, Readable: true})
		}, only("/odd/set_cookies", 200, envelope(`{}`), map[string][]string{
			"Link": {"<a>", "<b>"}, "Set-Cookie": {"a=1; Path=/; HttpOnly; Secure; SameSite=Lax", "b=; Path=/; Max-Age=0; Secure; SameSite=Lax"}})),
		endpoint("guarded", "GET", "/odd/guarded", func(context.Context, none) (app.Empty, error) { return app.Empty{}, nil }, list(
			Exchange{Target: "/odd/guarded", Status: 401, Answer: failure("sign in first", "unauthorized")},
			asked("/odd/guarded", `{}`, "Authorization: Bearer x")),
			app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
				if r.Header.Get("Authorization") == "" {
					return ctx, app.Errorf(app.Unauthorized, "sign in first")
				}
				return ctx, nil
			})),
		registered("cpu", "POST", "/odd/cpu", app.HandleCPU(func(job app.Job, req point) (number2, error) {
			job.SetStatus(http.StatusCreated)
			return number2{req.X + req.Y}, nil
		}), list(Exchange{Target: "/odd/cpu", Headers: []string{asJSON}, Body: `{"x":1,"y":2}`, Status: 201, Answer: envelope(`{"n":3}`)}), app.Status(201)),
	}
}

type number2 struct {
	N int `json:"n"`
}
