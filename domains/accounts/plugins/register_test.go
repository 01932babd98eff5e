package plugins_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		events := apptest.Record[plugins.UserRegistered]()
		h := open(t, db, events)
		id := h.register("Ada@Example.org")
		require.Empty(t, h.mails.Sent()[0].ReplyTo)
		ada, _ := h.signIn("ada@EXAMPLE.org", goodPassword)
		me := apptest.Data[plugins.GetMeData](ada.GET("/accounts/me"))
		require.Equal(t, plugins.GetMeData{ID: id, Email: "ada@example.org", Name: "Ada", Permissions: []string{}, CreatedAt: begin}, me)
		h.WaitForEvents()
		require.Equal(t, []plugins.UserRegistered{{ID: id}}, events.Events())
	})
}

// The answer to a registration does not tell whether there is a user of the address; the mail does.
func TestRegisterTellsNobodyWhoIsThere(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted).JSON(`{"success":true,"data":{},"error":null}`)
		h.POST("/accounts/register", body("email", "bob@example.org")).Status(http.StatusAccepted).JSON(`{"success":true,"data":{},"error":null}`)
		require.Equal(t, []string{"Finish your registration", "You have an account already"}, h.subjects("ada@example.org"))
		require.Equal(t, []string{"Finish your registration"}, h.subjects("bob@example.org"))
	})
}

// Nobody's mailbox is filled: beyond three mails an hour to one address nothing is sent, and the answer is the same.
func TestRegisterFillsNoMailbox(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	for range 6 {
		h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted).JSON(`{"success":true,"data":{},"error":null}`)
	}
	require.Len(t, h.subjects("ada@example.org"), 3)
	h.clock.Advance(20 * time.Minute)
	h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted)
	require.Len(t, h.subjects("ada@example.org"), 4)
}

func TestConfirmRegistration(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		confirm := func(token, password string) *apptest.Answer {
			return h.POST("/accounts/register/confirm", body("token", token, "password", password, "name", "Ada Lovelace"))
		}
		ask := func() string {
			h.POST("/accounts/register", body("email", "ada.king@example.org")).Status(http.StatusAccepted)
			return h.ticket("ada.king@example.org")
		}
		const over = "token is not known, is over, or was used; ask for a new one"
		confirm("pbt_nothing", goodPassword).Fails(app.Invalid, over)
		late := ask()
		h.clock.Advance(time.Hour)
		confirm(late, goodPassword).Fails(app.Invalid, over)
		first, second := ask(), ask()
		for password, message := range map[string]string{
			"short": "must have at least 12 characters", strings.Repeat("x", 257): "must have at most 256 characters",
			"Password1234!": "is among those that are tried first", "aaaaaaaaaaaaaa": "is among those", "abcdefghijklmnop": "is among those",
			"Lovelace123456": "must not be made of the e-mail address, a name", "1234567890king": "must not be made of the e-mail address",
		} {
			answer := confirm(first, password).Status(http.StatusUnprocessableEntity)
			require.Contains(t, answer.Body, message)
			require.NotContains(t, answer.Body, password+`"`)
		}
		confirm(first, goodPassword).Status(http.StatusCreated) // what was refused has used nothing up
		confirm(first, goodPassword).Fails(app.Invalid, over)
		confirm(second, goodPassword).Fails(app.Invalid, over) // the other link for the same thing is over too
	})
}

// A link makes one user, however many use it at a time.
func TestConfirmRegistrationOnce(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted)
		token := h.ticket("ada@example.org")
		var all sync.WaitGroup
		codes := make([]int, 8)
		for i := range codes {
			all.Go(func() {
				codes[i] = h.POST("/accounts/register/confirm", body("token", token, "password", goodPassword)).Code
			})
		}
		all.Wait()
		made := 0
		for _, code := range codes {
			if code == http.StatusCreated {
				made++
			}
		}
		require.Equal(t, 1, made, codes)
		var users int64
		require.NoError(t, h.DB().Model(&models.User{}).Count(&users).Error)
		require.EqualValues(t, 1, users)
	})
}

func TestRegistrationIsInvitedOrClosed(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"invited", "closed"} {
		h := open(t, apptest.SQLite(t), apptest.Setting("APP_ACCOUNTS_REGISTRATION", how))
		h.POST("/accounts/register", body("email", "ada@example.org")).Fails(app.Forbidden, "registration is not open; ask an administrator for an invitation")
		require.Empty(t, h.subjects("ada@example.org"))
	}
	h := open(t, apptest.SQLite(t), apptest.Setting("APP_ACCOUNTS_REGISTRATION", "closed"))
	h.POST("/accounts/register/confirm", body("token", "x", "password", goodPassword)).Fails(app.Forbidden, "registration is closed")
}
