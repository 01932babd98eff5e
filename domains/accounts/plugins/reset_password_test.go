package plugins_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

func TestResetPassword(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Record[plugins.UserPasswordReset]()
		h := open(t, db, events)
		id := h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		browser := h.withCookie(h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)))

		for _, email := range []string{"ADA@example.org", "nobody@example.org"} { // the same answer for both
			h.POST("/accounts/reset", body("email", email)).Status(http.StatusAccepted).JSON(`{"success":true,"data":{},"error":null}`)
		}
		link := h.ticket("ada@example.org")
		require.Empty(t, h.subjects("nobody@example.org"))
		h.POST("/accounts/register/confirm", body("token", link, "password", otherPassword)).Status(http.StatusUnprocessableEntity) // for another purpose
		h.POST("/accounts/reset/confirm", body("token", link, "password", "password1234")).Status(http.StatusUnprocessableEntity)
		h.POST("/accounts/reset/confirm", body("token", link, "password", otherPassword)).Status(http.StatusNoContent)
		h.POST("/accounts/reset/confirm", body("token", link, "password", goodPassword)).Status(http.StatusUnprocessableEntity)
		refused(t, ada)
		refused(t, browser)
		h.signIn("ada@example.org", otherPassword)
		require.Contains(t, h.subjects("ada@example.org"), "Your password was changed")
		require.Equal(t, []plugins.UserPasswordReset{{ID: id}}, events.Events())
		var devices int64
		require.NoError(t, h.DB().Model(&models.Device{}).Count(&devices).Error)
		require.EqualValues(t, 1, devices, "that of the reset alone")
	})
}

// A disabled user resets nothing, even with a link from before.
func TestResetPasswordOfADisabledUser(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		link := h.ticket("ada@example.org")
		require.NoError(t, h.DB().Model(&models.User{}).Where("1 = 1").Update("disabled_at", begin).Error)
		h.POST("/accounts/reset/confirm", body("token", link, "password", otherPassword)).Fails(app.Forbidden, "the account is disabled, or has another address")
		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		require.Len(t, h.subjects("ada@example.org"), 2)
	})
}

// No code stands in the database, in an event, or in the log: the mail alone has it.
func TestCodesAreInTheMailAlone(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t), apptest.Setting("APP_ACCOUNTS_URL", "https://shop.example/account"))
	h.register("ada@example.org")
	h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
	link := h.ticket("ada@example.org")
	mail := h.mails.Sent()[len(h.mails.Sent())-1]
	require.Contains(t, mail.Text, "https://shop.example/account#reset="+link)
	require.NotEmpty(t, mail.Key)
	var tables []string
	require.NoError(t, h.DB().Raw("SELECT name FROM sqlite_master WHERE type = 'table'").Scan(&tables).Error)
	require.Contains(t, tables, "accounts_tickets")
	for _, table := range tables {
		var rows []map[string]any
		require.NoError(t, h.DB().Table(table).Find(&rows).Error)
		for _, row := range rows {
			for column, value := range row {
				text, _ := value.(string)
				if bytes, ok := value.([]byte); ok {
					text = string(bytes)
				}
				require.NotContains(t, text, strings.TrimPrefix(link, "pbt_"), "%s.%s", table, column)
				require.NotContains(t, text, goodPassword, "%s.%s", table, column)
			}
		}
	}
}

// Whoever has a link has no session: after it the password is asked for. A mailbox is no way to sign in.
func TestLinksSignNobodyIn(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	ask := func(path, email string) string {
		h.POST(path, body("email", email)).Status(http.StatusAccepted)
		return h.ticket(email)
	}
	follow := func(path, token string) {
		answer := h.POST(path, body("token", token, "password", goodPassword))
		require.Less(t, answer.Code, 300, answer.Body)
		require.NotContains(t, answer.Head.Get("Set-Cookie")+answer.Body, "pbs_")
		refused(t, h.withCookie(answer).As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }))
	}
	follow("/accounts/register/confirm", ask("/accounts/register", "ada@example.org"))
	follow("/accounts/reset/confirm", ask("/accounts/reset", "ada@example.org"))
	ada, _ := h.signIn("ada@example.org", goodPassword)
	ada.POST("/accounts/me/email", body("email", "lovelace@example.org")).Status(http.StatusAccepted)
	answer := h.POST("/accounts/email/confirm", body("token", h.ticket("lovelace@example.org"))).Status(http.StatusNoContent)
	require.NotContains(t, answer.Head.Get("Set-Cookie"), "pbs_")
	var left int64
	require.NoError(t, h.DB().Model(&models.Session{}).Count(&left).Error)
	require.EqualValues(t, 1, left, "ada's own")
}

// Nobody tries many codes, though each has 256 random bits: a client has sixty tries an hour.
func TestGuessesAtCodesAreLimited(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	for _, path := range []string{"/accounts/register/confirm", "/accounts/reset/confirm", "/accounts/email/confirm"} {
		wrong := `{"token":"pbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","password":"` + goodPassword + `"}`
		if path == "/accounts/email/confirm" {
			wrong = `{"token":"pbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`
		}
		for range 60 {
			h.POST(path, wrong).Status(http.StatusUnprocessableEntity)
		}
		h.POST(path, wrong).Status(http.StatusTooManyRequests)
	}
}
