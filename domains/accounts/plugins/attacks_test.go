package plugins_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

// member stores a user with roles and returns the id.
func (h house) member(email string, roles ...string) string {
	h.t.Helper()
	user := models.User{ID: sessions.NewID(), Email: email, PasswordChangedAt: begin, CreatedAt: begin}
	require.NoError(h.t, h.DB().Create(&user).Error)
	for _, role := range roles {
		require.NoError(h.t, h.DB().Create(&models.UserRole{UserID: user.ID, Role: role}).Error)
	}
	return user.ID
}

// as makes requests in a new session of a user.
func (h house) as(userID string) *apptest.App {
	h.t.Helper()
	token, err := store(h.t, h).Start(apptest.Context(h.t), userID, sessions.Client{})
	require.NoError(h.t, err)
	return h.with(token)
}

// An invitation is worth what its inviter may do when it is used: somebody who is sent away has invited nobody to come in for them.
func TestInvitationsAreWorthWhatTheirInviterMayDo(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db, apptest.Setting("APP_ACCOUNTS_REGISTRATION", "invited"))
		for name, permissions := range map[string]string{"helpdesk": plugins.ReadUsers + " " + plugins.WriteUsers, "clerk": plugins.ReadUsers, "guest": ""} {
			require.NoError(t, h.DB().Create(&models.Role{Name: name, Permissions: permissions}).Error)
		}
		root := h.as(h.member("root@example.org", models.Administrator))
		const over = "the invitation does not hold any more; ask for a new one"
		for _, tc := range []struct {
			name, want string
			roles      string
			meanwhile  func(eve string)
		}{
			{"nothing happens", "", "[clerk guest]", func(string) {}},
			{"the role grows", "", "[guest]", func(string) {
				root.PUT("/accounts/roles/clerk", `{"permissions":["accounts.write_roles"]}`).Status(200)
			}},
			{"the role is another of the name", "", "[guest]", func(string) {
				root.DELETE("/accounts/roles/clerk").Status(204)
				root.PUT("/accounts/roles/clerk", `{"permissions":["accounts.write_roles"]}`).Status(201)
			}},
			{"the inviter has less", over, "", func(eve string) { root.PUT("/accounts/users/"+eve+"/roles", `{"roles":["clerk"]}`).Status(204) }},
			{"the inviter is disabled", over, "", func(eve string) { root.POST("/accounts/users/"+eve+"/disable", nil).Status(204) }},
		} {
			require.NoError(t, h.DB().Save(&models.Role{Name: "clerk", Permissions: plugins.ReadUsers}).Error)
			address := strings.ReplaceAll(tc.name, " ", ".") + "@example.org"
			eve := h.member("eve."+address, "helpdesk")
			h.as(eve).POST("/accounts/invitations", `{"email":"`+address+`","roles":["clerk","guest"]}`).Status(http.StatusAccepted)
			confirm := body("token", h.ticket(address), "password", goodPassword)
			tc.meanwhile(eve)
			answer := h.POST("/accounts/register/confirm", confirm)
			if tc.want != "" {
				answer.Fails(app.Forbidden, tc.want)
				continue
			}
			id := apptest.Data[plugins.ConfirmRegistrationData](answer.Status(http.StatusCreated)).UserID
			require.Equal(t, tc.roles, strings.Join([]string{"[", strings.Join(apptest.Data[plugins.ManageUserData](root.GET("/accounts/users/"+id)).Roles, " "), "]"}, ""), tc.name)
		}
		// With the inviter the invitation goes, whether its mail was sent or not.
		eve := h.member("eve@example.org", "helpdesk")
		h.as(eve).POST("/accounts/invitations", `{"email":"late@example.org"}`).Status(http.StatusAccepted)
		confirm := body("token", h.ticket("late@example.org"), "password", goodPassword)
		root.DELETE("/accounts/users/" + eve).Status(http.StatusNoContent)
		h.POST("/accounts/register/confirm", confirm).Status(http.StatusUnprocessableEntity)
		// A link from when registration was open does not stand for an invitation.
		token, err := store(t, h).NewTicket(apptest.Context(t), models.Ticket{Purpose: models.Register, Email: "open@example.org", Roles: "administrator"}, time.Hour)
		require.NoError(t, err)
		h.POST("/accounts/register/confirm", body("token", token, "password", goodPassword)).
			Fails(app.Forbidden, "registration is not open; ask an administrator for an invitation")
	})
}

// Whoever had a session asks in it for an address of their own. When the session is ended, by whomever, the address does not become that of the account.
func TestAnEmailChangeEndsWithTheSession(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		id := h.register("ada@example.org")
		root := h.as(h.member("root@example.org", models.Administrator))
		for name, end := range map[string]func(stolen *apptest.App){
			"signout": func(*apptest.App) { root.POST("/accounts/users/"+id+"/sign-out", nil).Status(204) },
			"others":  func(*apptest.App) { h.as(id).DELETE("/accounts/me/sessions").Status(204) },
			"one": func(stolen *apptest.App) {
				for _, s := range apptest.Data[plugins.MySessionsData](stolen.GET("/accounts/me/sessions")).Items {
					if s.Current {
						h.as(id).DELETE("/accounts/me/sessions/" + s.ID).Status(204)
					}
				}
			},
			"disable": func(*apptest.App) {
				root.POST("/accounts/users/"+id+"/disable", nil).Status(204)
				root.POST("/accounts/users/"+id+"/enable", nil).Status(204)
			},
		} {
			stolen, address := h.as(id), "mallory."+name+"@example.org"
			stolen.POST("/accounts/me/email", body("email", address)).Status(http.StatusAccepted)
			link := h.ticket(address)
			h.mails.Fail(app.Permanent(app.Errorf(app.Unavailable, "away"))) // the next mail comes late
			stolen.POST("/accounts/me/email", body("email", "late."+address)).Status(http.StatusAccepted)
			h.WaitForEvents()
			h.mails.Fail(nil)
			end(stolen)
			h.POST("/accounts/email/confirm", body("token", link)).Status(http.StatusUnprocessableEntity)
			require.Equal(t, 1, h.Replay("accounts.send_mail/account.mail_requested"), name)
			require.Empty(t, h.subjects("late."+address), name)
		}
		// Of a user who is disabled nothing is changed, even with a ticket that is there.
		token, err := store(t, h).NewTicket(apptest.Context(t), models.Ticket{Purpose: models.ChangeEmail, Email: "mallory@example.org", UserID: &id}, time.Hour)
		require.NoError(t, err)
		require.NoError(t, h.DB().Model(&models.User{}).Where("id = ?", id).Update("disabled_at", begin).Error)
		h.POST("/accounts/email/confirm", body("token", token)).Fails(app.Forbidden, "the account is disabled")
	})
}

// A link to reset the password that was on its way to the old address while the address was changed is worth nothing there.
func TestAResetNeedsTheAddressOfNow(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		id := h.register("ada@example.org")
		token, err := store(t, h).NewTicket(apptest.Context(t), models.Ticket{Purpose: models.Reset, Email: "old@example.org", UserID: &id}, time.Hour)
		require.NoError(t, err)
		h.POST("/accounts/reset/confirm", body("token", token, "password", otherPassword)).Fails(app.Forbidden, "the account is disabled, or has another address")
		h.signIn("ada@example.org", goodPassword)
	})
}

// Whoever has other mails sent to somebody's address does not keep the link of a reset from them.
func TestOtherMailsDoNotKeepAResetAway(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		h.register("mallory@example.org")
		mallory, _ := h.signIn("mallory@example.org", goodPassword)
		for range 5 {
			h.POST("/accounts/register", body("email", "ada@example.org")).Status(http.StatusAccepted)
			mallory.POST("/accounts/me/email", body("email", "ada@example.org")).Status(http.StatusAccepted)
		}
		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		h.POST("/accounts/reset/confirm", body("token", h.ticket("ada@example.org"), "password", otherPassword)).Status(http.StatusNoContent)
	})
}

// Somebody who guesses without end, elsewhere and in the same network, keeps neither the devices that were here before out, nor the owner of the mailbox.
func TestNobodyIsLockedOut(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		known := h.withCookie(h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK))
		mallory := h.withCookie(h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK))
		guess := func() {
			for i := range 60 {
				email := "ada@example.org"
				if i > 10 {
					email = fmt.Sprint(i, "@example.org")
				}
				h.POST("/accounts/sign-in", body("email", email, "password", otherPassword))
			}
			h.POST("/accounts/sign-in", body("email", "bob@example.org", "password", goodPassword)).Status(http.StatusTooManyRequests)
		}
		guess()
		known.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK)

		h.POST("/accounts/reset", body("email", "ada@example.org")).Status(http.StatusAccepted)
		reset := h.POST("/accounts/reset/confirm", body("token", h.ticket("ada@example.org"), "password", otherPassword)).Status(http.StatusNoContent)
		for _, forgotten := range []*apptest.App{known, mallory} {
			forgotten.POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Status(http.StatusTooManyRequests)
		}
		h.withCookie(reset).POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Status(http.StatusOK)
	})
}

// Whoever signs in again and again does not fill the database, and the latest sessions and devices hold.
func TestSessionsAndDevicesAreBounded(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		ada, bob := h.member("ada@example.org"), h.member("bob@example.org")
		other, s, ctx := h.as(bob), store(t, h), apptest.Context(t)
		first := h.as(ada)
		rows := make([]models.Session, 999)
		for i := range rows {
			rows[i] = models.Session{
				ID: sessions.NewID(), UserID: ada, TokenHash: fmt.Append(nil, i), SignedInAt: begin, UsedAt: begin, ExpiresAt: begin.Add(time.Hour),
			}
		}
		require.NoError(t, h.DB().CreateInBatches(&rows, 100).Error)
		first.GET("/accounts/me").Status(http.StatusOK)
		for range 101 {
			h.clock.Advance(time.Millisecond)
			require.NoError(t, s.Remember(ctx, ada, ""))
		}
		last := h.as(ada)
		refused(t, first)
		require.Len(t, apptest.Data[plugins.MySessionsData](last.GET("/accounts/me/sessions")).Items, 1000)
		other.GET("/accounts/me").Status(http.StatusOK)
		var devices int64
		require.NoError(t, h.DB().Model(&models.Device{}).Count(&devices).Error)
		require.EqualValues(t, 100, devices)
	})
}

// A session that a provider began may not say when its user signed in. It is one all the same: its user sees and ends sessions.
func TestASessionWithoutATimeIsASession(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		token, err := store(t, h).StartAt(apptest.Context(t), h.member("ada@example.org"), sessions.Client{}, time.Time{})
		require.NoError(t, err)
		ada := h.with(token)
		ada.POST("/accounts/me/keys", `{"name":"k","scopes":["accounts.read_users"]}`).Fails(app.Unauthorized, stale)
		ada.DELETE("/accounts/me/identities").Status(http.StatusNoContent)
		ada.DELETE("/accounts/me/sessions").Status(http.StatusNoContent)
	})
}

// A change of the password forgets the devices, but for the one that it is made with.
func TestAPasswordChangeForgetsDevices(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		right := body("email", "ada@example.org", "password", goodPassword)
		mine, mallorys := h.POST("/accounts/sign-in", right), h.POST("/accounts/sign-in", right)
		device := cookie(t, mine, sessions.DeviceCookie)
		h.withCookie(mine).POST("/accounts/me/password", body("current", goodPassword, "password", otherPassword)).Status(http.StatusOK)
		ctx := apptest.Context(t)
		var user models.User
		require.NoError(t, h.DB().First(&user).Error)
		known, err := store(t, h).Knows(ctx, user.ID, device.Value)
		require.NoError(t, err)
		require.True(t, known)
		known, err = store(t, h).Knows(ctx, user.ID, cookie(t, mallorys, sessions.DeviceCookie).Value)
		require.NoError(t, err)
		require.False(t, known)
	})
}

// meanwhile is a body that is sent late: when the host reads it, the caller's session was looked at, and something happens.
type meanwhile struct {
	happens func()
	body    *strings.Reader
}

func (m *meanwhile) Read(p []byte) (int, error) {
	if m.happens != nil {
		m.happens()
		m.happens = nil
	}
	return m.body.Read(p)
}

// A request whose head was sent before its caller lost the rights, and whose body is sent after that, changes nothing.
func TestRightsThatAreLostBeforeTheBodyComes(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		require.NoError(t, h.DB().Create(&models.Role{Name: "clerk", Permissions: plugins.ReadUsers}).Error)
		bob := h.member("bob@example.org")
		root := h.as(h.member("root@example.org", models.Administrator))
		for name, tc := range map[string]struct {
			happens func(eve string)
			status  int
		}{
			"disabled": {func(eve string) { root.POST("/accounts/users/"+eve+"/disable", nil).Status(204) }, http.StatusUnauthorized},
			"demoted":  {func(eve string) { root.PUT("/accounts/users/"+eve+"/roles", `{"roles":["clerk"]}`).Status(204) }, http.StatusUnauthorized},
			"role only": {func(eve string) {
				require.NoError(t, h.DB().Where("user_id = ?", eve).Delete(&models.UserRole{}).Error)
			}, http.StatusForbidden},
		} {
			for _, try := range []struct{ method, path, body string }{
				{"PUT", "/accounts/users/" + bob + "/roles", `{"roles":["administrator"]}`},
				{"PUT", "/accounts/roles/new", `{"permissions":["accounts.write_users"]}`},
				{"POST", "/accounts/me/keys", `{"name":"k","scopes":["accounts.write_users"]}`},
			} {
				if name == "role only" && strings.Contains(try.path, "keys") {
					continue // the key may do what its owner may, which is nothing
				}
				eve := h.member(sessions.NewID()+"@example.org", models.Administrator)
				late := &meanwhile{func() { tc.happens(eve) }, strings.NewReader(try.body)}
				r := httptest.NewRequestWithContext(context.Background(), try.method, try.path, late)
				r.Header.Set("Content-Type", "application/json")
				h.as(eve).Do(r).Status(tc.status)
				require.Nil(t, late.happens)
			}
		}
		var n int64
		require.NoError(t, h.DB().Raw("SELECT (SELECT count(*) FROM accounts_keys) + (SELECT count(*) FROM accounts_user_roles WHERE user_id = ?) + (SELECT count(*) FROM accounts_roles WHERE name = 'new')", bob).Scan(&n).Error)
		require.Zero(t, n)
	})
}
