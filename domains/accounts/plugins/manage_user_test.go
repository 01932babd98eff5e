package plugins_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// announced records the events about users.
type announced struct {
	disabled *apptest.Recorder[plugins.UserDisabled]
	enabled  *apptest.Recorder[plugins.UserEnabled]
	changed  *apptest.Recorder[plugins.UserRolesChanged]
	deleted  *apptest.Recorder[plugins.UserDeleted]
	mails    *apptest.Recorder[plugins.UserInvited]
}

// openRecorded is openOffice with recorders of all events.
func openRecorded(t *testing.T, db apptest.Database) (*office, announced) {
	t.Helper()
	a := announced{
		apptest.Record[plugins.UserDisabled](), apptest.Record[plugins.UserEnabled](), apptest.Record[plugins.UserRolesChanged](),
		apptest.Record[plugins.UserDeleted](), apptest.Record[plugins.UserInvited](),
	}
	return openOffice(t, db, a.disabled, a.enabled, a.changed, a.deleted, a.mails), a
}

// all are the events so far, by topic.
func (a announced) all(o *office) string {
	o.t.Helper()
	o.WaitForEvents()
	return fmt.Sprint("disabled", a.disabled.Events(), " enabled", a.enabled.Events(), " roles", a.changed.Events(), " deleted", a.deleted.Events(), " mails", a.mails.Events())
}

func TestManageUser(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o, events := openRecorded(t, db)
		o.role("clerk", "orders.read")
		o.role("seller", "orders.write", "orders.read")
		ada := o.user("ada@example.org", "clerk")
		session, key := o.with(o.session(ada)), o.with(o.key(ada, "orders.read"))
		helpdesk, path := o.as(nobody, plugins.ReadUsers, plugins.WriteUsers, "orders.read", "orders.write"), "/accounts/users/"+ada

		shown := helpdesk.GET(path).Status(http.StatusOK)
		require.NotContains(t, shown.Body, "hash")
		data := apptest.Data[plugins.ManageUserData](shown)
		require.Equal(t, []any{ada, "ada@example.org", "somebody", []string{"clerk"}, true}, []any{data.ID, data.Email, data.Name, data.Roles, data.DisabledAt == nil})

		helpdesk.POST(path+"/sign-out", nil).Status(http.StatusNoContent)
		session.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		key.GET("/accounts/me/keys").Fails(app.Forbidden, keyRefused) // the key is known

		session = o.with(o.session(ada))
		for range 2 { // the second time there is nothing to do
			helpdesk.POST(path+"/disable", nil).Status(http.StatusNoContent)
		}
		require.NotNil(t, apptest.Data[plugins.ManageUserData](helpdesk.GET(path)).DisabledAt)
		session.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		key.GET("/accounts/me/keys").Status(http.StatusUnauthorized)
		for range 2 {
			helpdesk.POST(path+"/enable", nil).Status(http.StatusNoContent)
		}
		session.GET("/accounts/me/sessions").Status(http.StatusUnauthorized) // it does not come back
		key.GET("/accounts/me/keys").Fails(app.Forbidden, keyRefused)

		session = o.with(o.session(ada))
		helpdesk.PUT(path+"/roles", `{"roles":["clerk"]}`).Status(http.StatusNoContent) // as it is
		session.GET("/accounts/me/sessions").Status(http.StatusOK)
		helpdesk.PUT(path+"/roles", `{"roles":["seller"]}`).Status(http.StatusNoContent)
		session.GET("/accounts/me/sessions").Status(http.StatusUnauthorized)
		require.Equal(t, []string{"seller"}, apptest.Data[plugins.ManageUserData](helpdesk.GET(path)).Roles)
		o.with(o.session(ada)).POST("/accounts/me/keys", `{"name":"k","scopes":["orders.write"]}`).Status(http.StatusCreated)

		helpdesk.DELETE(path).Status(http.StatusNoContent)
		helpdesk.DELETE(path).Fails(app.NotFound, "there is no such user")
		e := "{" + ada + "}"
		require.Equal(t, "disabled["+e+"] enabled["+e+"] roles["+e+"] deleted["+e+"] mails[]", events.all(o))
	})
}

func TestInviteUser(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o, events := openRecorded(t, db)
		o.role("clerk", "orders.read")
		helpdesk := o.as(nobody, plugins.WriteUsers, "orders.read")
		helpdesk.POST("/accounts/invitations", `{"email":"Ada@Example.org","roles":["clerk"]}`).Status(http.StatusAccepted)
		helpdesk.POST("/accounts/invitations", `{"email":"bob@example.org"}`).Status(http.StatusAccepted)
		for body, field := range map[string]string{
			`{"email":"bob"}`: "email",
			`{"email":"bob@example.org","roles":["clerk","boss"]}`: "roles.1", `{"email":"bob@example.org","roles":["clerk","clerk"]}`: "roles",
		} {
			require.Contains(t, helpdesk.POST("/accounts/invitations", body).Status(http.StatusUnprocessableEntity).Body, `"field":"`+field+`"`, body)
		}
		events.all(o)
		require.ElementsMatch(t, []plugins.UserInvited{
			{Email: "ada@example.org", Roles: []string{"clerk"}, InvitedBy: nobody},
			{Email: "bob@example.org", InvitedBy: nobody},
		}, events.mails.Events())
	})
}

// Whoever may manage users and roles gets no more rights by that, neither for themselves nor for others, and nobody is managed who may do more.
func TestNobodyGetsMoreRights(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o, events := openRecorded(t, db)
		o.role("helpdesk", plugins.ReadUsers, plugins.WriteUsers, plugins.WriteRoles, "orders.read")
		o.role("clerk", "orders.read")
		o.role("boss", "orders.write", plugins.WriteUsers)
		o.role("root", "*")
		eve := o.user("eve@example.org", "helpdesk")
		ada, off := o.user("ada@example.org", models.Administrator), o.user("off@example.org", models.Administrator)
		boss, bob := o.user("boss@example.org", "boss", "clerk"), o.user("bob@example.org", "clerk")
		require.NoError(t, o.DB().Model(&models.User{}).Where("id = ?", off).Update("disabled_at", time.Now()).Error)
		o.session(ada)
		o.session(boss)
		h, before := o.with(o.session(eve)), o.rights()

		const theirs, all = "the user has the permission %s, which you do not have yourself", "the role %s has the permission %s, which you do not have yourself"
		users := "/accounts/users/"
		for _, try := range []struct{ method, path, body, want string }{
			{"POST", users + ada + "/disable", "", fmt.Sprintf(theirs, "*")},
			{"POST", users + ada + "/sign-out", "", fmt.Sprintf(theirs, "*")},
			{"POST", users + off + "/enable", "", fmt.Sprintf(theirs, "*")},
			{"PUT", users + ada + "/roles", `{"roles":[]}`, fmt.Sprintf(theirs, "*")},
			{"PUT", users + ada + "/roles", `{"roles":["administrator","clerk"]}`, fmt.Sprintf(theirs, "*")},
			{"DELETE", users + ada, "", fmt.Sprintf(theirs, "*")},
			{"DELETE", users + off, "", fmt.Sprintf(theirs, "*")},
			{"POST", users + boss + "/disable", "", fmt.Sprintf(theirs, "orders.write")},
			{"POST", users + boss + "/sign-out", "", fmt.Sprintf(theirs, "orders.write")},
			{"PUT", users + boss + "/roles", `{"roles":["boss"]}`, fmt.Sprintf(theirs, "orders.write")},
			{"DELETE", users + boss, "", fmt.Sprintf(theirs, "orders.write")},
			{"PUT", users + eve + "/roles", `{"roles":["helpdesk","administrator"]}`, fmt.Sprintf(all, "administrator", "*")},
			{"PUT", users + eve + "/roles", `{"roles":["helpdesk","boss"]}`, fmt.Sprintf(all, "boss", "orders.write")},
			{"PUT", users + bob + "/roles", `{"roles":["administrator"]}`, fmt.Sprintf(all, "administrator", "*")},
			{"PUT", users + bob + "/roles", `{"roles":["root"]}`, fmt.Sprintf(all, "root", "*")},
			{"PUT", users + bob + "/roles", `{"roles":["clerk","boss"]}`, fmt.Sprintf(all, "boss", "orders.write")},
			{"POST", "/accounts/invitations", `{"email":"eve2@example.org","roles":["administrator"]}`, fmt.Sprintf(all, "administrator", "*")},
			{"POST", "/accounts/invitations", `{"email":"eve2@example.org","roles":["clerk","boss"]}`, fmt.Sprintf(all, "boss", "orders.write")},
			{"PUT", "/accounts/roles/helpdesk", `{"permissions":["accounts.write_roles","orders.write"]}`, fmt.Sprintf(all, "helpdesk", "orders.write")},
			{"PUT", "/accounts/roles/clerk", `{"permissions":["orders.write"]}`, fmt.Sprintf(all, "clerk", "orders.write")},
			{"PUT", "/accounts/roles/mine", `{"permissions":["orders.write"]}`, fmt.Sprintf(all, "mine", "orders.write")},
			{"PUT", "/accounts/roles/boss", `{"permissions":[]}`, fmt.Sprintf(all, "boss", "orders.write")},
			{"PUT", "/accounts/roles/root", `{"permissions":[]}`, fmt.Sprintf(all, "root", "*")},
			{"DELETE", "/accounts/roles/boss", "", fmt.Sprintf(all, "boss", "orders.write")},
			{"DELETE", "/accounts/roles/root", "", fmt.Sprintf(all, "root", "*")},
			{"POST", "/accounts/me/keys", `{"name":"k","scopes":["orders.write"]}`, "you do not have the permission orders.write yourself"},
		} {
			ask(h, try.method, try.path, try.body).Fails(app.Forbidden, try.want)
		}
		for _, try := range []struct{ method, path, body string }{
			{"PUT", "/accounts/roles/mine", `{"permissions":["*"]}`},
			{"PUT", "/accounts/roles/mine", `{"permissions":["orders.read *"]}`},
			{"PUT", users + bob + "/roles", `{"roles":["clerk administrator"]}`},
			{"POST", "/accounts/invitations", `{"email":"eve2@example.org","roles":["clerk administrator"]}`},
			{"POST", "/accounts/me/keys", `{"name":"k","scopes":["*"]}`},
		} {
			ask(h, try.method, try.path, try.body).Status(http.StatusUnprocessableEntity)
		}
		for _, by := range []*apptest.App{h, o.with(o.session(ada))} { // of the same rank it is refused too
			who := map[bool]string{true: eve, false: ada}[by == h]
			const self = "nobody disables or deletes themselves; ask somebody else"
			by.POST(users+who+"/disable", nil).Fails(app.Conflict, self)
			by.DELETE(users+who).Fails(app.Conflict, self)
		}
		require.NoError(t, o.DB().Exec("DELETE FROM accounts_sessions WHERE id = (SELECT max(id) FROM accounts_sessions)").Error)
		require.Equal(t, before, o.rights())
		require.Equal(t, "disabled[] enabled[] roles[] deleted[] mails[]", events.all(o))
	})
}

// ask makes a request of any method.
func ask(a *apptest.App, method, path, body string) *apptest.Answer {
	switch method {
	case http.MethodPut:
		return a.PUT(path, body)
	case http.MethodDelete:
		return a.DELETE(path)
	default:
		if body == "" {
			return a.POST(path, nil)
		}
		return a.POST(path, body)
	}
}

func TestManageUserIsRefused(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o, events := openRecorded(t, db)
		bob := o.user("bob@example.org")
		before := o.rights()
		admin, reader := o.administrator(), o.as(nobody, plugins.ReadUsers, plugins.WriteRoles)
		old := o.SignedIn(app.Principal{ID: nobody, Permissions: []string{"*"}, SignedInAt: time.Now().Add(-11 * time.Minute)})
		for _, ep := range []struct {
			method, path, below, body string
			fresh                     bool
		}{
			{"POST", "/accounts/users/", "/disable", "", false}, {"POST", "/accounts/users/", "/enable", "", false},
			{"POST", "/accounts/users/", "/sign-out", "", false}, {"PUT", "/accounts/users/", "/roles", `{"roles":[]}`, true},
			{"DELETE", "/accounts/users/", "", "", true}, {"GET", "/accounts/users/", "", "", false},
		} {
			ask := func(a *apptest.App, id string) *apptest.Answer {
				if ep.method == http.MethodGet {
					return a.GET(ep.path + id)
				}
				return ask(a, ep.method, ep.path+id+ep.below, ep.body)
			}
			ask(admin, nobody).Fails(app.NotFound, "there is no such user")
			ask(admin, "1").Status(http.StatusUnprocessableEntity)
			ask(o.App, bob).Fails(app.Unauthorized, notSignedIn)
			if ep.method != http.MethodGet {
				ask(reader, bob).Fails(app.Forbidden, "this needs the permission accounts.write_users")
			}
			if ep.fresh {
				ask(old, bob).Fails(app.Unauthorized, stale)
			}
		}
		o.as(bob, plugins.WriteUsers).GET("/accounts/users/"+bob).Fails(app.Forbidden, "this needs the permission accounts.read_users")
		const invitation = `{"email":"ada@example.org"}`
		o.POST("/accounts/invitations", invitation).Fails(app.Unauthorized, notSignedIn)
		reader.POST("/accounts/invitations", invitation).Fails(app.Forbidden, "this needs the permission accounts.write_users")
		old.POST("/accounts/invitations", invitation).Fails(app.Unauthorized, stale)
		require.Contains(t, admin.PUT("/accounts/users/"+bob+"/roles", `{"roles":["administrator","boss"]}`).Status(http.StatusUnprocessableEntity).Body,
			`"field":"roles.1","rule":"role","message":"must be a role that there is"`)
		admin.PUT("/accounts/users/"+bob+"/roles", `{}`).Status(http.StatusUnprocessableEntity)
		require.Equal(t, before, o.rights())
		require.Equal(t, "disabled[] enabled[] roles[] deleted[] mails[]", events.all(o))
	})
}

func TestTheLastAdministrator(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		o.role("clerk", "orders.read")
		ada, off := o.user("ada@example.org", models.Administrator), o.user("off@example.org", models.Administrator)
		require.NoError(t, o.DB().Model(&models.User{}).Where("id = ?", off).Update("disabled_at", time.Now()).Error)
		admin, path := o.administrator(), "/accounts/users/"+ada // somebody with all permissions, by another role
		before := o.rights()
		const last = "this is the last administrator; make another one first"
		admin.POST(path+"/disable", nil).Fails(app.Conflict, last)
		admin.DELETE(path).Fails(app.Conflict, last)
		admin.PUT(path+"/roles", `{"roles":["clerk"]}`).Fails(app.Conflict, last)
		o.with(o.session(ada)).PUT(path+"/roles", `{"roles":[]}`).Fails(app.Conflict, last) // also by themselves
		admin.POST(path+"/sign-out", nil).Status(http.StatusNoContent)
		require.Equal(t, before, o.rights())

		admin.PUT(path+"/roles", `{"roles":["clerk","administrator"]}`).Status(http.StatusNoContent)
		admin.PUT("/accounts/users/"+off+"/roles", `{"roles":[]}`).Status(http.StatusNoContent) // who could not sign in anyway
		admin.PUT("/accounts/users/"+off+"/roles", `{"roles":["administrator"]}`).Status(http.StatusNoContent)
		admin.POST("/accounts/users/"+off+"/enable", nil).Status(http.StatusNoContent)
		admin.PUT(path+"/roles", `{"roles":["clerk"]}`).Status(http.StatusNoContent)
		admin.POST("/accounts/users/"+off+"/disable", nil).Fails(app.Conflict, last)
	})
}

// Two administrators who take each other away at the same time would leave none, and nobody could make one.
func TestTheLastAdministratorAtTheSameTime(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o := openOffice(t, db)
		takeAway := []func(a *apptest.App, id string) *apptest.Answer{
			func(a *apptest.App, id string) *apptest.Answer { return a.POST("/accounts/users/"+id+"/disable", nil) },
			func(a *apptest.App, id string) *apptest.Answer { return a.DELETE("/accounts/users/" + id) },
			func(a *apptest.App, id string) *apptest.Answer {
				return a.PUT("/accounts/users/"+id+"/roles", `{"roles":[]}`)
			},
		}
		for round := range 12 {
			require.NoError(t, o.DB().Where("1 = 1").Delete(&models.User{}).Error)
			ids := []string{o.user("ada@example.org", models.Administrator), o.user("bob@example.org", models.Administrator)}
			codes := make([]int, len(ids))
			begin := make(chan struct{})
			var wg sync.WaitGroup
			for i := range ids {
				wg.Go(func() {
					<-begin
					codes[i] = takeAway[(round+i*(round/3))%len(takeAway)](o.as(ids[i], app.AllPermissions), ids[1-i]).Code
				})
			}
			close(begin)
			wg.Wait()
			require.ElementsMatch(t, []int{http.StatusNoContent, http.StatusConflict}, codes, round)
			var left int64
			require.NoError(t, o.DB().Raw(`SELECT count(*) FROM accounts_users u JOIN accounts_user_roles r ON r.user_id = u.id
				WHERE r.role = 'administrator' AND u.disabled_at IS NULL`).Scan(&left).Error)
			require.EqualValues(t, 1, left, round)
		}
	})
}

// Of a user who is deleted nothing personal stays: not in the tables of the domain, nor in the events about users. What was announced about mails
// has the address until the events are deleted.
func TestNothingPersonalStays(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		o, events := openRecorded(t, db)
		o.role("clerk", "orders.read")
		ada, bob := o.user("ada@example.org", "clerk"), o.user("bob@example.org", "clerk")
		ctx := apptest.Context(t)
		for userID, email := range map[string]string{ada: "ada@example.org", bob: "bob@example.org"} {
			o.session(userID)
			o.key(userID, "orders.read")
			require.NoError(t, o.store.Remember(ctx, userID, ""))
			for _, ticket := range []models.Ticket{
				{Purpose: models.Reset, Email: email, UserID: &userID}, {Purpose: models.Register, Email: email, Roles: "clerk"},
				{Purpose: models.ChangeEmail, Email: "new." + email, UserID: &userID},
			} {
				_, err := o.store.NewTicket(ctx, ticket, time.Hour)
				require.NoError(t, err)
			}
			require.NoError(t, o.DB().Create(&models.SignIn{ID: sessions.NewID(), UserID: userID, Outcome: models.SignedIn, Address: "address of " + email, At: time.Now()}).Error)
			require.NoError(t, o.DB().Create(&models.Identity{Issuer: "https://id.example", Subject: "subject of " + email, UserID: userID, CreatedAt: time.Now()}).Error)
			flow := models.Flow{StateHash: []byte("state of " + email), BrowserHash: []byte("browser"), ReturnPath: "/", UserID: &userID, ExpiresAt: time.Now()}
			require.NoError(t, o.DB().Create(&flow).Error)
			for _, name := range []string{"account:", "mail:reset:", "mail:register:", "mail:email:"} {
				require.NoError(t, o.throttle.Take(ctx, name+email, throttle.Limit{Attempts: 3, Each: time.Hour}))
			}
		}
		before := rowsOf(t, o.DB())
		o.administrator().POST("/accounts/users/"+ada+"/disable", nil).Status(http.StatusNoContent)
		o.administrator().DELETE("/accounts/users/" + ada).Status(http.StatusNoContent)
		events.all(o)

		after := rowsOf(t, o.DB())
		for table, rows := range after {
			for _, row := range rows {
				require.NotContains(t, row, "ada@example.org", table)
				if strings.HasPrefix(table, "accounts_") {
					require.NotContains(t, row, ada, table)
				}
			}
		}
		for _, table := range []string{"users", "user_roles", "sessions", "keys", "devices", "tickets", "sign_ins", "throttles", "identities", "flows"} {
			table = "accounts_" + table
			require.NotEmpty(t, before[table], table)
			require.Len(t, after[table], len(before[table])/2, "%s: what is bob's stays", table)
		}
	})
}

// rowsOf returns the rows of all tables of the database, as text.
func rowsOf(t *testing.T, db *gorm.DB) map[string][]string {
	t.Helper()
	names := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if db.Name() == "postgres" {
		names = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	var tables []string
	require.NoError(t, db.Raw(names).Scan(&tables).Error)
	require.Greater(t, len(tables), 8, tables)
	all := map[string][]string{}
	for _, table := range tables {
		var rows []map[string]any
		require.NoError(t, db.Table(table).Find(&rows).Error)
		for _, row := range rows {
			var b strings.Builder
			for _, column := range slices.Sorted(maps.Keys(row)) {
				value := row[column]
				if bytes, ok := value.([]byte); ok {
					value = string(bytes)
				}
				fmt.Fprintf(&b, "%s=%v ", column, value)
			}
			all[table] = append(all[table], b.String())
		}
		slices.Sort(all[table])
	}
	return all
}

// What happens to a user and the event that tells of it are stored together: without the event, nothing happens.
func TestManageUserWithoutItsEvent(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		handle, clock := db.Open(t, administration()), apptest.NewClock(time.Now())
		store := sessions.New(handle, clock, sessions.Settings{Lifetime: time.Hour, Idle: time.Hour})
		o := &office{t: t, store: store}
		ctx := apptest.Context(t)
		app.CallFrom(ctx).Principal = &app.Principal{ID: nobody, Permissions: []string{"*"}}
		for what, try := range map[string]func(p *plugins.ManageUserPlugin, id string) error{
			"disable": func(p *plugins.ManageUserPlugin, id string) error {
				_, err := p.Disable(ctx, plugins.ManageUserRequest{ID: id})
				return err
			},
			"enable": func(p *plugins.ManageUserPlugin, id string) error {
				_, err := p.Enable(ctx, plugins.ManageUserRequest{ID: id})
				return err
			},
			"roles": func(p *plugins.ManageUserPlugin, id string) error {
				_, err := p.SetRoles(ctx, plugins.SetUserRolesRequest{ID: id, Roles: []string{"administrator"}})
				return err
			},
			"delete": func(p *plugins.ManageUserPlugin, id string) error {
				_, err := p.Delete(ctx, plugins.ManageUserRequest{ID: id})
				return err
			},
		} {
			user := models.User{ID: sessions.NewID(), Email: what + "@example.org", PasswordChangedAt: time.Now(), CreatedAt: time.Now()}
			if what == "enable" {
				user.DisabledAt = new(time.Now())
			}
			require.NoError(t, handle.WithContext(ctx).Create(&user).Error)
			o.session(user.ID)
			before := rowsOf(t, handle.WithContext(ctx))
			bus := &apptest.Bus{}
			p := plugins.NewManageUserPlugin(handle, bus, clock, store, throttle.New(handle, clock))
			bus.Fail(errors.New("no room"))
			require.ErrorContains(t, try(p, user.ID), "no room", what)
			require.Equal(t, before, rowsOf(t, handle.WithContext(ctx)), what)
			bus.Fail(nil)
			require.NoError(t, try(p, user.ID), what)
			require.Len(t, bus.Publications(), 1, what)
			require.Equal(t, user.ID, bus.Publications()[0].Event.(app.Keyed).Key())
		}
	})
}
