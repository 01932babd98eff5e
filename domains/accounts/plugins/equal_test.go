package plugins_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
)

// job is what a job on the work pool is called among the work of a request.
const job = "compute"

// work returns what the latest request to a route had the service do, in order: the statements on the database, as they are written, and the jobs
// on the work pool. What subscribers do about its events is not part of it.
func work(t *testing.T, spans *apptest.SpanRecorder, route string) (all []string) {
	t.Helper()
	ended, request, byID := spans.Ended(), apptest.Span{}, map[string]apptest.Span{}
	for _, s := range ended {
		byID[s.ID] = s
		if s.Name == route {
			request = s
		}
	}
	require.NotEmpty(t, request.ID, "there is no span %s", route)
	for _, s := range ended {
		up := s
		for up.ID != request.ID && up.Parent != "" && !strings.HasPrefix(up.Name, "process ") {
			up = byID[up.Parent]
		}
		switch {
		case up.ID != request.ID || s.ID == request.ID:
		case s.Attributes["db.query.text"] != "":
			all = append(all, s.Attributes["db.query.text"])
		default:
			all = append(all, s.Name)
		}
	}
	return all
}

// count returns how many of all have what in them.
func count(all []string, what string) (n int) {
	for _, one := range all {
		if strings.Contains(one, what) {
			n++
		}
	}
	return n
}

// people stores users of all kinds, and returns a session of the first.
func people(t *testing.T, h house) *apptest.App {
	t.Helper()
	hash := weakHash(t, goodPassword)
	ada := sessions.NewID()
	for _, u := range []models.User{
		{ID: ada, Email: "ada@example.org", PasswordHash: hash},
		{ID: sessions.NewID(), Email: "disabled@example.org", PasswordHash: hash, DisabledAt: &begin},
		{ID: sessions.NewID(), Email: "provider@example.org"}, // signs in elsewhere and has no password
	} {
		u.PasswordChangedAt, u.CreatedAt = begin, begin
		require.NoError(t, h.DB().Create(&u).Error)
	}
	token, err := store(t, h).Start(apptest.Context(t), ada, sessions.Client{})
	require.NoError(t, err)
	return h.with(token)
}

// Whoever measures how long a refused sign-in takes must not learn whether there is such a user. So the service does the same for everybody: the
// same statements, and one hash. How long that takes is measured by the comparison "timing" of docs/benchmarks.
func TestRefusedSignInsCostTheSame(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		spans := apptest.Spans()
		h := open(t, db, spans)
		people(t, h)
		cost := func(email string) []string {
			h.POST("/accounts/sign-in", body("email", email, "password", otherPassword)).Fails(app.Unauthorized, wrong)
			return work(t, spans, "POST /accounts/sign-in")
		}
		wrongPassword := cost("ada@example.org")
		require.Equal(t, 1, count(wrongPassword, job), wrongPassword)
		require.Equal(t, 2, count(wrongPassword, "accounts_throttles (full_at"), wrongPassword)
		for _, email := range []string{"nobody@example.org", "disabled@example.org", "provider@example.org", "ada@example.org"} {
			require.Equal(t, wrongPassword, cost(email), email)
		}
	})
}

// lateMailer sends nothing before the requests are answered.
type lateMailer struct {
	app.Mailer
	answered chan struct{}
}

// Send implements app.Mailer.
func (m lateMailer) Send(ctx context.Context, mail app.Mail) error {
	select {
	case <-m.answered:
		return m.Mailer.Send(ctx, mail)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The same holds for requests that lead to a mail: the answer waits for none, and the request does nothing that depends on who has the address.
func TestAskingForMailCostsTheSame(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		spans, answered := apptest.Spans(), make(chan struct{})
		release := sync.OnceFunc(func() { close(answered) })
		h := open(t, db, spans, fx.Decorate(func(m app.Mailer) app.Mailer { return lateMailer{m, answered} }))
		t.Cleanup(release)
		ada := people(t, h)
		for _, path := range []string{"/accounts/reset", "/accounts/register", "/accounts/me/email"} {
			cost := func(email string) []string {
				ada.POST(path, body("email", email)).Status(http.StatusAccepted)
				return work(t, spans, "POST "+path)
			}
			unknown := cost("nobody@example.org")
			require.NotEmpty(t, unknown)
			require.Zero(t, count(unknown, "accounts_tickets")+count(unknown, job), unknown)
			for _, email := range []string{"provider@example.org", "disabled@example.org", "somebody@example.org"} {
				require.Equal(t, unknown, cost(email), "%s %s", path, email)
			}
		}
		require.Empty(t, h.mails.Sent())
		release()
		require.Equal(t, []string{"Reset your password", "You have an account already", "This address has an account"}, h.subjects("provider@example.org"))
	})
}
