package plugins

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/rights"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// ManageUserRequest names the user of /accounts/users/{id} and of what is below it.
type ManageUserRequest struct {
	ID string `uri:"id" json:"-" binding:"uuid" example:"0198c0de-0000-7000-8000-000000000001"`
}

// ManageUserData is one user.
type ManageUserData struct {
	ID    string `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	Email string `json:"email" example:"ada@example.org"`
	Name  string `json:"name" example:"Ada"`
	// Roles are sorted.
	Roles []string `json:"roles" example:"support"`
	// DisabledAt is null while the user may sign in.
	DisabledAt *time.Time `json:"disabled_at" example:"2026-01-31T12:00:00Z"`
	CreatedAt  time.Time  `json:"created_at" example:"2026-01-31T12:00:00Z"`
}

// ManageUserResponse is the answer of GET /accounts/users/{id}.
type ManageUserResponse = app.Response[ManageUserData]

// SetUserRolesRequest is the body of PUT /accounts/users/{id}/roles.
type SetUserRolesRequest struct {
	ID string `uri:"id" json:"-" binding:"uuid" example:"0198c0de-0000-7000-8000-000000000001"`
	// Roles are all that the user has then.
	Roles []string `json:"roles" binding:"required,max=100,unique,dive,max=64" checks:"role=are roles that there are" example:"support"`
}

// InviteUserRequest is the body of POST /accounts/invitations.
type InviteUserRequest struct {
	Email string `json:"email" binding:"required,max=254,email" example:"ada@example.org"`
	// Roles are those that the user gets who follows the invitation.
	Roles []string `json:"roles" binding:"max=100,unique,dive,max=64" checks:"role=are roles that there are" example:"support"`
}

// UserDisabled is announced when a user may not sign in any more.
type UserDisabled struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserDisabled) Topic() string { return "user.disabled" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserDisabled) Key() string { return e.ID }

// UserEnabled is announced when a user who was disabled may sign in again.
type UserEnabled struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserEnabled) Topic() string { return "user.enabled" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserEnabled) Key() string { return e.ID }

// UserRolesChanged is announced when a user has other roles.
type UserRolesChanged struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserRolesChanged) Topic() string { return "user.roles_changed" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserRolesChanged) Key() string { return e.ID }

// UserDeleted is announced when a user is deleted. Every domain that keeps something of the user deletes its own.
type UserDeleted struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserDeleted) Topic() string { return "user.deleted" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserDeleted) Key() string { return e.ID }

// UserInvited is announced when somebody is to get an invitation by mail.
type UserInvited struct {
	Email     string   `json:"email"`
	Roles     []string `json:"roles"`
	InvitedBy string   `json:"invited_by"`
}

// Topic implements app.Event.
func (UserInvited) Topic() string { return "account.invitation_sent" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e UserInvited) Key() string { return e.Email }

// ManageUser is the plugin that serves /accounts/users/{id} and POST /accounts/invitations.
var ManageUser = app.Plugin[*ManageUserPlugin]("accounts.manage_user", NewManageUserPlugin)

// ManageUserPlugin lets administrators, and those to whom they give the right, manage users. Nobody manages a user who may do what they may not, and
// nobody gives away or takes what is more than their own.
type ManageUserPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	clock    app.Clock
	sessions *sessions.Store
	throttle *throttle.Throttle
}

// NewManageUserPlugin takes what the plugin needs; Fx resolves it by type.
func NewManageUserPlugin(db *gorm.DB, bus app.Bus, clock app.Clock, store *sessions.Store, limits *throttle.Throttle) *ManageUserPlugin {
	return &ManageUserPlugin{db: db, bus: bus, clock: clock, sessions: store, throttle: limits}
}

// OnBoot registers what the plugin serves and announces.
func (p *ManageUserPlugin) OnBoot(b *app.Boot) {
	may, tags, done, found := app.Can(WriteUsers), app.Tags("Accounts"), app.Status(http.StatusNoContent), app.Fails(app.NotFound)
	b.GET("/accounts/users/:id", app.Handle(p.Execute), app.Can(ReadUsers), tags, found)
	b.POST("/accounts/users/:id/disable", app.Handle(p.Disable), may, tags, done, found, app.Fails(app.Conflict))
	b.POST("/accounts/users/:id/enable", app.Handle(p.Enable), may, tags, done, found)
	b.POST("/accounts/users/:id/sign-out", app.Handle(p.SignOut), may, tags, done, found)
	b.PUT("/accounts/users/:id/roles", app.Handle(p.SetRoles), may, app.Fresh(fresh), tags, done, found, app.Fails(app.Conflict))
	b.DELETE("/accounts/users/:id", app.Handle(p.Delete), may, app.Fresh(fresh), tags, done, found, app.Fails(app.Conflict))
	b.POST("/accounts/invitations", app.Handle(p.Invite), may, app.Fresh(fresh), tags, app.Status(http.StatusAccepted))
	b.Publishes(UserDisabled{}, UserEnabled{}, UserRolesChanged{}, UserDeleted{}, UserInvited{})
}

// Execute returns a user with their roles.
//
//	@ID			accounts.manage_user
//	@Summary	Returns a user with their roles
//	@Tags		Accounts
//	@Produce	json
//	@Param		id									path		string	true	"The id"	format(uuid)
//	@Success	200									{object}	ManageUserResponse
//	@Failure	400,401,403,404,421,422,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/users/{id} [get]
//
//plug:derived e4503225
func (p *ManageUserPlugin) Execute(ctx context.Context, req ManageUserRequest) (ManageUserData, error) {
	user, err := findUser(ctx, p.db, req.ID)
	if err != nil {
		return ManageUserData{}, err
	}
	roles, err := rights.Of(ctx, p.db, user.ID)
	return ManageUserData{
		ID: user.ID, Email: user.Email, Name: user.Name, Roles: rights.Names(roles), DisabledAt: user.DisabledAt, CreatedAt: user.CreatedAt,
	}, err
}

// Disable refuses a user from now on. Their sessions end, and their keys are refused until they are enabled again.
//
//	@ID				accounts.manage_user.disable
//	@Summary		Refuses a user from now on
//	@Description	Their sessions end, and their keys are refused until they are enabled again.
//	@Tags			Accounts
//	@Produce		json
//	@Param			id											path	string	true	"The id"	format(uuid)
//	@Success		204											"No Content"
//	@Failure		400,401,403,404,409,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/users/{id}/disable [post]
//
//plug:derived bb4c5ca5
func (p *ManageUserPlugin) Disable(ctx context.Context, req ManageUserRequest) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		who, user, roles, err := p.managed(ctx, req.ID)
		if err == nil {
			err = rights.MayRemove(ctx, p.db, who, user, roles)
		}
		if err != nil || user.DisabledAt != nil {
			return err
		}
		if err := p.setDisabled(ctx, user.ID, new(p.clock.Now())); err != nil {
			return err
		}
		if err := p.sessions.EndAll(ctx, user.ID, ""); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserDisabled{ID: user.ID})
	})
}

// Enable lets a user who was disabled sign in again. Their keys work again too.
//
//	@ID				accounts.manage_user.enable
//	@Summary		Lets a user who was disabled sign in again
//	@Description	Their keys work again too.
//	@Tags			Accounts
//	@Produce		json
//	@Param			id										path	string	true	"The id"	format(uuid)
//	@Success		204										"No Content"
//	@Failure		400,401,403,404,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/users/{id}/enable [post]
//
//plug:derived 6d993a48
func (p *ManageUserPlugin) Enable(ctx context.Context, req ManageUserRequest) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		_, user, _, err := p.managed(ctx, req.ID)
		if err != nil || user.DisabledAt == nil {
			return err
		}
		if err := p.setDisabled(ctx, user.ID, nil); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserEnabled{ID: user.ID})
	})
}

func (p *ManageUserPlugin) setDisabled(ctx context.Context, userID string, at *time.Time) error {
	if err := p.db.WithContext(ctx).Model(&models.User{}).Where("id = ?", userID).Update("disabled_at", at).Error; err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	return nil
}

// SignOut ends all sessions of a user. The user may sign in again.
//
//	@ID				accounts.manage_user.signout
//	@Summary		Ends all sessions of a user
//	@Description	The user may sign in again.
//	@Tags			Accounts
//	@Produce		json
//	@Param			id										path	string	true	"The id"	format(uuid)
//	@Success		204										"No Content"
//	@Failure		400,401,403,404,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/users/{id}/sign-out [post]
//
//plug:derived 6ce26c4a
func (p *ManageUserPlugin) SignOut(ctx context.Context, req ManageUserRequest) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		_, user, _, err := p.managed(ctx, req.ID)
		if err != nil {
			return err
		}
		return p.sessions.EndAll(ctx, user.ID, "")
	})
}

// SetRoles gives a user these roles and no others. If that changes something, the user's sessions end.
//
//	@ID				accounts.manage_user.setroles
//	@Summary		Gives a user these roles and no others
//	@Description	If that changes something, the user's sessions end.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			id														path	string				true	"The id"	format(uuid)
//	@Param			body													body	SetUserRolesRequest	true	"The body of PUT /accounts/users/{id}/roles"
//	@Success		204														"No Content"
//	@Failure		400,401,403,404,408,409,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/users/{id}/roles [put]
//
//plug:derived 84a3f70b
func (p *ManageUserPlugin) SetRoles(ctx context.Context, req SetUserRolesRequest) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		who, user, had, err := p.managed(ctx, req.ID)
		if err != nil {
			return err
		}
		given, err := rights.Named(ctx, p.db, "roles", req.Roles)
		if err != nil {
			return err
		}
		if slices.Equal(rights.Names(had), rights.Names(given)) {
			return nil
		}
		if err := rights.MayExchange(ctx, p.db, who, user, had, given); err != nil {
			return err
		}
		if err := p.db.WithContext(ctx).Where("user_id = ?", user.ID).Delete(&models.UserRole{}).Error; err != nil {
			return fmt.Errorf("delete roles of user: %w", err)
		}
		if err := giveRoles(ctx, p.db, user.ID, rights.Names(given)); err != nil {
			return err
		}
		if err := p.sessions.EndAll(ctx, user.ID, ""); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserRolesChanged{ID: user.ID})
	})
}

// Delete deletes a user. It goes with their sessions, keys, devices, links and linked identities, the record of their sign-ins, and what was counted
// under their address. What was announced about mails has the address until the events are deleted, after APP_EVENTS_RETENTION.
//
//	@ID				accounts.manage_user.delete
//	@Summary		Deletes a user
//	@Description	It goes with their sessions, keys, devices, links and linked identities, the record of their sign-ins, and what was counted under their address. What was announced about mails has the address until the events are deleted, after APP_EVENTS_RETENTION.
//	@Tags			Accounts
//	@Produce		json
//	@Param			id											path	string	true	"The id"	format(uuid)
//	@Success		204											"No Content"
//	@Failure		400,401,403,404,409,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/users/{id} [delete]
//
//plug:derived ae27637b
func (p *ManageUserPlugin) Delete(ctx context.Context, req ManageUserRequest) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		who, user, roles, err := p.managed(ctx, req.ID)
		if err == nil {
			err = rights.MayRemove(ctx, p.db, who, user, roles)
		}
		if err != nil {
			return err
		}
		for _, rows := range []struct {
			model any
			of    string
			is    string
		}{ // the rest goes with the user, by the foreign keys
			{&models.SignIn{}, "user_id = ?", user.ID}, {&models.Ticket{}, "email = ?", user.Email}, {&models.User{}, "id = ?", user.ID},
		} {
			if err := p.db.WithContext(ctx).Where(rows.of, rows.is).Delete(rows.model).Error; err != nil {
				return fmt.Errorf("delete user: %w", err)
			}
		}
		counts := []string{"account:" + user.Email, "password:" + user.ID}
		for _, purpose := range []models.Purpose{models.Register, models.Reset, models.ChangeEmail} {
			counts = append(counts, mailName(purpose, user.Email))
		}
		if err := p.throttle.Forget(ctx, counts...); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserDeleted{ID: user.ID})
	})
}

// Invite has a link sent to an address, with which its owner becomes a user with the roles. When the link is used, a role is left out that was deleted, or
// that the inviter could not give then; the link leads nowhere once the inviter may not invite any more. Inviting needs a fresh sign-in, as a
// change of roles does.
//
//	@ID				accounts.manage_user.invite
//	@Summary		Has a link sent to an address, with which its owner becomes a user with the roles
//	@Description	When the link is used, a role is left out that was deleted, or that the inviter could not give then; the link leads nowhere once the inviter may not invite any more. Inviting needs a fresh sign-in, as a change of roles does.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body											body		InviteUserRequest	true	"The body of POST /accounts/invitations"
//	@Success		202												{object}	app.Response[app.Empty]
//	@Failure		400,401,403,408,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/invitations [post]
//
//plug:derived f5829bb0
func (p *ManageUserPlugin) Invite(ctx context.Context, req InviteUserRequest) (app.Empty, error) {
	roles, err := rights.Named(ctx, p.db, "roles", req.Roles)
	if err != nil {
		return app.Empty{}, err
	}
	if err := rights.MayGive(caller(ctx), roles...); err != nil {
		return app.Empty{}, err
	}
	return app.Empty{}, p.bus.Publish(ctx, UserInvited{Email: normalEmail(req.Email), Roles: rights.Names(roles), InvitedBy: caller(ctx).ID})
}

// managed returns the caller as they are now and the user with their roles, and holds up others who change rights until the transaction ends. It refuses
// users who may do what the caller may not.
func (p *ManageUserPlugin) managed(ctx context.Context, id string) (who app.Principal, user models.User, roles []models.Role, err error) {
	if who, err = rights.LockFor(ctx, p.db, caller(ctx), WriteUsers); err != nil {
		return who, user, nil, err
	}
	if user, err = findUser(ctx, p.db, id); err != nil {
		return who, user, nil, err
	}
	if roles, err = rights.Of(ctx, p.db, user.ID); err != nil {
		return who, user, nil, err
	}
	return who, user, roles, rights.MayManage(who, roles)
}
