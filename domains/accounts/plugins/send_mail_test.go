package plugins_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

// A mail server that is away delays the mail: the attempt that reaches it sends one that works.
func TestSendMailAgain(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.mails.Fail(app.Permanent(app.Errorf(app.Unavailable, "away")))
		h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted)
		h.WaitForEvents()
		require.Empty(t, h.mails.Sent())
		h.mails.Fail(nil)
		require.Equal(t, 1, h.Replay("accounts.send_mail/account.mail_requested"))
		h.POST("/accounts/register/confirm", body("token", h.ticket("ada@example.org"), "password", goodPassword)).Status(http.StatusCreated)
	})
}

func TestSendMailInvites(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db, apptest.Setting("APP_ACCOUNTS_REGISTRATION", "invited"))
		root := h.member("root@example.org", models.Administrator)
		h.as(root).POST("/accounts/invitations", `{"email":"Ada@example.org","roles":["administrator"]}`).Status(http.StatusAccepted)
		link := h.ticket("ada@example.org")
		text := h.mails.Sent()[0].Text
		require.Contains(t, text, "You are invited to have an account.")
		require.Contains(t, text, "It holds for 7 days, and can be used once.")
		h.POST("/accounts/register/confirm", body("token", link, "password", goodPassword)).Status(http.StatusCreated)
		ada, _ := h.signIn("ada@example.org", goodPassword)
		require.Equal(t, []string{"*"}, apptest.Data[plugins.GetMeData](ada.GET("/accounts/me")).Permissions)
	})
}

// A user is told when the command on the machine has changed their password.
func TestUsersAreToldOfTheCommand(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		require.NoError(t, h.CommandFrom(adminPassword, "accounts create-admin", "--email", "ada@example.org").Error)
		require.Contains(t, h.subjects("ada@example.org"), "Your password was changed")
	})
}

// A user is told of whatever changes how they sign in, also of what an administrator does on the machine.
func TestUsersAreToldOfOtherWaysIn(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		linked := apptest.Announce(plugins.IdentityLinkedMail{})
		h := open(t, db, linked)
		id := h.register("ada@example.org")
		require.NoError(t, h.CommandFrom(adminPassword, "accounts create-admin", "--email", "ada@example.org").Error)
		require.Contains(t, h.subjects("ada@example.org"), "Your password was changed")
		linked.Publish(t, plugins.IdentityLinkedMail{Purpose: "identity_linked", Email: "ada@example.org", UserID: id})
		require.Contains(t, h.subjects("ada@example.org"), "There is another way into your account")
	})
}
