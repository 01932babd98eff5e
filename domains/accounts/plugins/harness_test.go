package plugins_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"golang.org/x/crypto/argon2"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

const (
	goodPassword  = "correct horse battery staple"
	otherPassword = "seven green lamps by the river"
)

// cheap are parameters for tests: those of the service take most of the time of what signs in often, and much memory with the race detector.
var cheap = passwords.Parameters{Memory: 64, Passes: 1, Lanes: 1}

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// house is the accounts domain, running, with a clock and mailboxes of the test's.
type house struct {
	*apptest.App
	t     *testing.T
	clock *apptest.Clock
	mails *apptest.Mails
}

// open boots the accounts domain, in which everybody may register unless parts say otherwise. Its hashes are [cheap], unless parts supply others.
func open(t *testing.T, db apptest.Database, parts ...fx.Option) house {
	t.Helper()
	h := house{t: t, clock: apptest.NewClock(begin), mails: apptest.Mail()}
	given := append([]fx.Option{db, h.clock, h.mails, accounts.Module, fx.Supply(cheap), apptest.Setting("APP_ACCOUNTS_REGISTRATION", "open")}, parts...)
	h.App = apptest.New(t, given...)
	return h
}

var code = regexp.MustCompile(`pbt_[A-Za-z0-9_-]{43}`)

// ticket returns the code in the latest mail to the address.
func (h house) ticket(email string) string {
	h.t.Helper()
	h.WaitForEvents()
	latest := ""
	for _, mail := range h.mails.Sent() {
		if len(mail.To) == 1 && mail.To[0] == email {
			latest = mail.Text
		}
	}
	found := code.FindString(latest)
	require.NotEmpty(h.t, found, "no code in the latest mail to %s: %q", email, latest)
	return found
}

// subjects returns those of the mails to the address.
func (h house) subjects(email string) (all []string) {
	h.t.Helper()
	h.WaitForEvents()
	for _, mail := range h.mails.Sent() {
		if mail.To[0] == email {
			all = append(all, mail.Subject)
		}
	}
	return all
}

// register makes a user and returns its id.
func (h house) register(email string) string {
	h.t.Helper()
	h.POST("/accounts/register", body("email", email)).Status(http.StatusAccepted)
	answer := h.POST("/accounts/register/confirm", body("token", h.ticket(strings.ToLower(email)), "password", goodPassword, "name", "Ada"))
	return apptest.Data[plugins.ConfirmRegistrationData](answer.Status(http.StatusCreated)).UserID
}

// signIn signs in and returns the application as the session sees it, and the token.
func (h house) signIn(email, password string) (*apptest.App, string) {
	h.t.Helper()
	answer := h.POST("/accounts/sign-in", body("email", email, "password", password, "use", "token")).Status(http.StatusOK)
	token := apptest.Data[plugins.SignInData](answer).Token
	return h.with(token), token
}

// with returns the application as the bearer of a token sees it.
func (h house) with(token string) *apptest.App {
	return h.As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
}

// withCookie returns the application as a browser with the cookies of an answer sees it.
func (h house) withCookie(answer *apptest.Answer) *apptest.App {
	return h.As(func(r *http.Request) {
		for _, line := range answer.Head.Values("Set-Cookie") {
			c, err := http.ParseSetCookie(line)
			require.NoError(h.t, err)
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	})
}

// body returns a JSON object of names and values.
func body(pairs ...string) string {
	members := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// cookie returns a cookie that the answer sets.
func cookie(t *testing.T, answer *apptest.Answer, name string) *http.Cookie {
	t.Helper()
	for _, line := range answer.Head.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		require.NoError(t, err)
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("the answer sets no cookie %s: %v", name, answer.Head)
	return nil
}

const unknownSession = "the session or key is not known, or is over; sign in again"

// refused fails the test unless the caller is not known.
func refused(t *testing.T, as *apptest.App) {
	t.Helper()
	as.GET("/accounts/me").Fails(app.Unauthorized, unknownSession)
}

// weakHash returns a hash with cheaper parameters than those of new hashes.
func weakHash(t *testing.T, password string) string {
	t.Helper()
	salt := []byte("0123456789abcdef")
	b64 := base64.RawStdEncoding
	key := argon2.IDKey([]byte(password), salt, 1, 1024, 1, 32)
	return "$argon2id$v=19$m=1024,t=1,p=1$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key)
}

// store returns the store of sessions of the test's database.
func store(t *testing.T, h house) *sessions.Store {
	t.Helper()
	return sessions.New(h.DB(), h.clock, sessions.Settings{Lifetime: 30 * 24 * time.Hour, Idle: 7 * 24 * time.Hour})
}
