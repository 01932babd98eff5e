package plugins_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

// Whatever stands in the place of an address: nothing breaks, the mail goes to the address that the user would have and to no other, and
// addresses that differ by case alone are one.
func TestStrangeAddresses(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("kim@example.org")
		for _, email := range []string{
			"KIM@EXAMPLE.ORG", "\u212aim@example.org", "k\u0130m@example.org", "k\u0131m@example.org", "kim@example.org ", " kim@example.org", "kim@example.org\x00", "ki\x00m@example.org",
			"\"kim\"@example.org", "\"k\x00m\"@example.org", "\"kim\\\r\n Bcc: eve@evil.example\"@example.org", "\"kim\r\n Bcc: eve@evil.example\"@example.org", "kim@example.org\r\nBcc: eve@evil.example",
			"kim@example.org,eve@evil.example", "kim@example.org eve@evil.example", "<kim@example.org>", "Kim <kim@example.org>", "kim@example.org (eve@evil.example)", "kim@[192.0.2.1]", "kim@[IPv6:::1]",
			"kim%evil.example@example.org", "kim+1@example.org", "kim@example.org.", "kim@ex\u00e4mple.org", "kim@xn--exmple-cua.org", "\u043aim@example.org", "k\u0069\u0301m@example.org", "\ufeffkim@example.org",
			"kim@example.org\u2028", "kim\u202e@example.org", "\u1e9ekim@example.org", "\u03a3kim@example.org", "\u01c5kim@example.org", strings.Repeat("\u00df", 240) + "@example.org", strings.Repeat("k", 300) + "@example.org", "@", "kim@", "\xff@example.org",
		} {
			for _, path := range []string{"/accounts/sign-in", "/accounts/reset", "/accounts/register"} {
				answer := h.As(fromAnywhere()).POST(path, body("email", email, "password", otherPassword))
				require.Less(t, answer.Code, 500, "%s %q: %s", path, email, answer.Body)
			}
		}
		h.WaitForEvents()
		for _, mail := range h.mails.Sent() {
			require.Len(t, mail.To, 1)
			require.NotContains(t, mail.To[0], "\n")
			require.NotContains(t, mail.To[0], "\x00")
			require.Equal(t, strings.ToLower(mail.To[0]), mail.To[0])
			if token := code.FindString(mail.Text); token != "" && mail.To[0] != "kim@example.org" {
				answer := h.As(fromAnywhere()).POST("/accounts/register/confirm", body("token", token, "password", goodPassword))
				require.Contains(t, []int{http.StatusCreated, http.StatusUnprocessableEntity}, answer.Code, "%q: %s", mail.To[0], answer.Body)
			}
		}
		var users []models.User
		require.NoError(t, h.DB().Find(&users).Error)
		seen := map[string]bool{}
		for _, user := range users {
			require.False(t, seen[user.Email])
			seen[user.Email] = true
		}
	})
}

var networks atomic.Int64

// fromAnywhere makes each request from a network of its own.
func fromAnywhere() func(*http.Request) {
	return func(r *http.Request) {
		n := networks.Add(1)
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
	}
}

// No text that a database does not take breaks anything.
func TestTextThatIsNone(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		root := h.as(h.member("root@example.org", models.Administrator))
		h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted)
		link := h.ticket("ada@example.org")
		for _, answer := range []*apptest.Answer{
			h.POST("/accounts/register/confirm", body("token", link, "password", goodPassword, "name", "A\x00da")),
			h.POST("/accounts/register/confirm", body("token", link+"\x00", "password", goodPassword)),
			h.POST("/accounts/register/confirm", body("token", link, "password", goodPassword+"\x00")),
			h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", "\x00")),
			root.POST("/accounts/invitations", `{"email":"bob@example.org","roles":["a\u0000"]}`),
			root.PUT("/accounts/roles/a%00", `{"permissions":[]}`),
			root.DELETE("/accounts/roles/a%00"),
			root.GET("/accounts/users?role=a%00"), root.GET("/accounts/users?email=a%00b"), root.GET("/accounts/users?email=%25%5F%5C"),
			root.GET("/accounts/users?cursor=%00"), root.GET("/accounts/users/%00"),
			root.POST("/accounts/me/keys", `{"name":"k\u0000","scopes":["accounts.read_users"]}`),
			root.POST("/accounts/me/keys", `{"name":"k","scopes":["\u0000"]}`),
			h.As(func(r *http.Request) { r.Header.Set("Cookie", "__Host-device=\x01\x02") }).POST("/accounts/sign-in", body("email", "ada@example.org", "password", "x")),
			h.As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer pbs_\xff") }).GET("/accounts/me"),
		} {
			require.Less(t, answer.Code, 500, answer.Body)
		}
		agent := h.As(func(r *http.Request) { r.Header.Set("User-Agent", "A\u009b31m\u202eB"+strings.Repeat("\u00e4", 300)) })
		agent.POST("/accounts/sign-in", body("email", "ada@example.org", "password", "x")).Status(http.StatusUnauthorized)
		var last models.SignIn
		require.NoError(t, h.DB().Order("id DESC").First(&last).Error)
		require.Regexp(t, "^A31mB\u00e4+$", last.UserAgent)
	})
}

// Who has an account cannot be told: not from the answer, nor from the number of statements.
func TestWhoHasAnAccountCannotBeTold(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		spans := apptest.Spans()
		h := open(t, db, spans)
		h.register("ada@example.org")
		mallory := h.as(h.member("mallory@example.org"))
		h.WaitForEvents()
		require.NoError(t, h.DB().Exec("DELETE FROM accounts_throttles").Error)
		look := func(as *apptest.App, path string, pairs ...string) string {
			before := len(spans.Ended())
			answer := as.POST(path, body(pairs...))
			ended := spans.Ended()[before:]
			h.WaitForEvents() // so that all spans have ended
			head := answer.Head.Clone()
			for _, own := range []string{"X-Request-Id", "Ratelimit"} {
				head.Del(own)
			}
			names, parents, request := map[string]string{}, map[string]string{}, ""
			for _, span := range spans.Ended() {
				names[span.ID], parents[span.ID] = span.Name, span.Parent
				if span.Name == "POST "+path { // the latest
					request = span.ID
				}
			}
			kinds := []string{}
			for _, span := range ended {
				at := span.Parent
				for at != "" && at != request && !strings.HasPrefix(names[at], "process ") { // which the caller does not wait for
					at = parents[at]
				}
				if q := span.Attributes["db.query.text"]; q != "" && at == request {
					kinds = append(kinds, strings.Join(strings.Fields(q)[:3], " "))
				}
			}
			require.NotEmpty(t, kinds)
			return fmt.Sprint(answer.Code, answer.Body, head, kinds)
		}
		for i := range 12 { // within the limits, and beyond
			require.Equal(t, look(h.App, "/accounts/sign-in", "email", "ada@example.org", "password", otherPassword),
				look(h.App, "/accounts/sign-in", "email", "nobody@example.org", "password", otherPassword), i)
			require.Equal(t, look(h.As(fromAnywhere()), "/accounts/register", "email", "ada@example.org"), look(h.As(fromAnywhere()), "/accounts/register", "email", "nobody@example.org"), i)
			require.Equal(t, look(h.As(fromAnywhere()), "/accounts/reset", "email", "ada@example.org"), look(h.As(fromAnywhere()), "/accounts/reset", "email", "nobody@example.org"), i)
			require.Equal(t, look(mallory, "/accounts/me/email", "email", "ada@example.org"), look(mallory, "/accounts/me/email", "email", "nobody@example.org"), i)
		}
	})
}

// A page of another site makes nobody do anything, and signs nobody in as somebody else; nor does a form, or a body whose type nobody says.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	right := body("email", "ada@example.org", "password", goodPassword)
	in := h.POST("/accounts/sign-in", right).Status(http.StatusOK)
	from := func(prepare func(*http.Request)) *apptest.App { return h.withCookie(in).As(prepare) }
	for name, page := range map[string]func(*http.Request){
		"fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"origin":         func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"null":           func(r *http.Request) { r.Header.Set("Origin", "null") },
	} {
		from(page).POST("/accounts/sign-out", nil).Status(http.StatusForbidden)
		from(page).DELETE("/accounts/me/sessions").Status(http.StatusForbidden)
		login := h.As(page).POST("/accounts/sign-in", right).Status(http.StatusForbidden)
		require.Empty(t, login.Head.Values("Set-Cookie"), name)
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/plain; application/json"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/accounts/sign-in", strings.NewReader(right))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		answer := h.Do(r)
		require.Equal(t, http.StatusUnsupportedMediaType, answer.Code, "%q", kind)
	}
}

// Paths and methods that are odd lead to the endpoint with its rule, or to none.
func TestOddRequestsDoNotGetIn(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	id := h.member("ada@example.org")
	odd := func(method, target string, headers ...string) *apptest.Answer {
		r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
		r.RequestURI = target
		if u, err := r.URL.Parse("http://example.com" + target); err == nil {
			r.URL = u
		}
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			r.Header.Add(name, value)
		}
		return h.Do(r)
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND"} {
		for _, path := range []string{
			"/accounts/me", "/accounts/me/", "//accounts/me", "/accounts//me", "/accounts/./me", "/accounts/sign-in/../me", "/accounts%2fme", "/%61ccounts/me", "/accounts/me%2f", "/accounts/me;x=1", "/accounts/me?x", "/Accounts/Me", "/accounts/me%00", "/accounts/me%20",
			"/accounts/users", "/accounts/users/" + id, "/accounts/users/" + id + "/", "/accounts/users/" + id + "/disable", "/accounts/users/" + id + "%2fdisable", "/accounts/roles/administrator", "/accounts/me/sessions", "/accounts/me/keys", "/accounts/me/identities", "/livez/../accounts/me",
		} {
			for _, headers := range [][]string{
				nil, {"X-HTTP-Method-Override: GET"}, {"X-Original-Url: /livez"}, {"X-Rewrite-Url: /livez"}, {"X-Forwarded-For: 127.0.0.1"}, {"X-Principal: " + id}, {"Authorization: Bearer "}, {"Authorization: bearer pbs_"}, {"Authorization: Basic YTpi"}, {"Cookie: __Host-session="}, {"Cookie: __host-session=" + id},
			} {
				answer := odd(method, path, headers...)
				require.NotContains(t, answer.Body, "ada@example.org", "%s %s", method, path)
				require.True(t, answer.Code >= 400 || method == "OPTIONS" && answer.Code == 204, "%s %s %v: %d %s", method, path, headers, answer.Code, answer.Body)
				require.Less(t, answer.Code, 500, "%s %s", method, path)
			}
		}
	}
}

// A ticket is good once, also when it is used many times at once; a change of the address and a reset at the same time leave one of the two.
func TestTicketsAtTheSameTime(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted)
		register := h.ticket("ada@example.org")
		together := func(n int, ask func(i int) int) (codes map[int]int) {
			codes = map[int]int{}
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					code := ask(i)
					mu.Lock()
					defer mu.Unlock()
					codes[code]++
				})
			}
			all.Wait()
			return codes
		}
		codes := together(4, func(int) int {
			return h.POST("/accounts/register/confirm", body("token", register, "password", goodPassword)).Code
		})
		require.Equal(t, 1, codes[http.StatusCreated], codes)
		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		reset := h.ticket("ada@example.org")
		codes = together(4, func(int) int {
			return h.POST("/accounts/reset/confirm", body("token", reset, "password", goodPassword)).Code
		})
		require.Equal(t, 1, codes[http.StatusNoContent], codes)
		for round := range 3 {
			ada, _ := h.signIn(fmt.Sprintf("ada%s@example.org", strings.Repeat("x", round)), goodPassword)
			old, next := fmt.Sprintf("ada%s@example.org", strings.Repeat("x", round)), fmt.Sprintf("ada%s@example.org", strings.Repeat("x", round+1))
			h.POST("/accounts/reset", body("email", old)).Status(http.StatusAccepted)
			reset := h.ticket(old)
			ada.POST("/accounts/me/email", body("email", next)).Status(http.StatusAccepted)
			change := h.ticket(next)
			codes = together(2, func(i int) int {
				if i == 0 {
					return h.POST("/accounts/reset/confirm", body("token", reset, "password", goodPassword)).Code
				}
				return h.POST("/accounts/email/confirm", body("token", change)).Code
			})
			require.Equal(t, 1, codes[http.StatusNoContent], "%d: %v", round, codes)
			if h.POST("/accounts/sign-in", body("email", next, "password", goodPassword, "use", "token")).Code != http.StatusOK {
				return // the reset was first
			}
		}
	})
}

// Tokens, passwords and codes are in no log, not even at debug level, and in no span.
func TestNoSecretInLogsAndSpans(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	spans := apptest.Spans()
	h := open(t, apptest.SQLite(t), spans, fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.New(core) }), apptest.Setting("APP_LOG_LEVEL", "debug"), apptest.Setting("APP_DATABASE_SLOW_QUERY", "1ns"))
	h.register("ada@example.org")
	ada, token := h.signIn("ada@example.org", goodPassword)
	browser := h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword))
	key := apptest.Data[plugins.NewKeyData](h.as(h.member("root@example.org", models.Administrator)).POST("/accounts/me/keys", `{"name":"k","scopes":["accounts.read_users"]}`)).Token
	h.with(key).GET("/accounts/users").Status(http.StatusOK)
	h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
	ticket := h.ticket("ada@example.org")
	h.GET("/accounts/sign-in/provider/callback?state=hunter2&code=" + "hunter2secret")
	ada.GET("/accounts/me?access_token=" + token).Status(http.StatusOK)
	h.POST("/accounts/reset/confirm", body("token", ticket, "password", otherPassword)).Status(http.StatusNoContent)
	h.POST("/accounts/sign-in", "{"+body("email", "ada@example.org", "password", otherPassword)).Status(http.StatusBadRequest)
	h.WaitForEvents()
	text := fmt.Sprint(spans.Ended())
	for _, entry := range logs.All() {
		text += fmt.Sprint(entry.Message, entry.ContextMap())
	}
	require.NotEmpty(t, logs.All())
	for _, secret := range []string{
		token, key, ticket, cookie(t, browser, sessions.SessionCookie).Value, cookie(t, browser, sessions.DeviceCookie).Value, goodPassword, otherPassword, "hunter2", "argon2id", "ada@example.org",
	} {
		require.NotContains(t, text, secret)
	}
}

// No endpoint with a secret in its answer is one whose answers are kept.
func TestNothingSecretIsKeptForRepeats(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	for _, route := range h.Host().Server().Routes() {
		require.False(t, route.Options.Idempotent && strings.HasPrefix(route.Plugin, "accounts."), route.Path)
	}
}
