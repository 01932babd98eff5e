package plugins

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/rights"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// RegisterRequest is the body of POST /accounts/register.
type RegisterRequest struct {
	Email string `json:"email" binding:"required,max=254,email" example:"ada@example.org"`
}

// ConfirmRegistrationRequest is the body of POST /accounts/register/confirm.
type ConfirmRegistrationRequest struct {
	// Token is what was sent to the address.
	Token    string `json:"token" binding:"required,max=200" checks:"link=was sent by this service, and is neither over nor used" example:"pbt_…"`
	Password string `json:"password" binding:"required,min=12,max=256" checks:"common=is not among those that are tried first; text=is text" example:"correct horse battery staple"`
	Name     string `json:"name" binding:"max=100" example:"Ada"`
}

// ConfirmRegistrationData is what the new user learns.
type ConfirmRegistrationData struct {
	UserID string `json:"user_id" example:"0198c0de-0000-7000-8000-000000000001"`
}

// ConfirmRegistrationResponse is the answer of POST /accounts/register/confirm.
type ConfirmRegistrationResponse = app.Response[ConfirmRegistrationData]

// UserRegistered is announced when there is a new user. Events about users name the user alone, so that nothing personal stays in
// them; ask accounts.user for the rest.
type UserRegistered struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserRegistered) Topic() string { return "user.registered" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserRegistered) Key() string { return e.ID }

// RegistrationMail asks for the mail with which a registration is finished; see [MailRequested].
type RegistrationMail struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
}

// Topic implements app.Event.
func (RegistrationMail) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e RegistrationMail) Key() string { return e.Email }

// Register is the plugin that serves POST /accounts/register and its confirmation.
var Register = app.Plugin[*RegisterPlugin]("accounts.register", NewRegisterPlugin)

// RegisterPlugin makes users.
type RegisterPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	sessions *sessions.Store
	hasher   *passwords.Hasher
	throttle *throttle.Throttle
	clock    app.Clock
	settings Settings
}

// NewRegisterPlugin takes what the plugin needs; Fx resolves it by type.
func NewRegisterPlugin(
	db *gorm.DB, bus app.Bus, store *sessions.Store, hasher *passwords.Hasher, limits *throttle.Throttle, clock app.Clock, settings Settings,
) *RegisterPlugin {
	return &RegisterPlugin{db: db, bus: bus, sessions: store, hasher: hasher, throttle: limits, clock: clock, settings: settings}
}

// OnBoot registers what the plugin serves and announces.
func (p *RegisterPlugin) OnBoot(b *app.Boot) {
	b.POST("/accounts/register", app.Handle(p.Execute), app.Public(), app.Status(http.StatusAccepted), app.Tags("Accounts"),
		app.Fails(app.Forbidden), app.Limit(20, time.Hour, app.PerClient)) //nolint:mnd // more than a household needs
	b.POST("/accounts/register/confirm", app.Handle(p.Confirm), app.Public(), app.Status(http.StatusCreated), app.Tags("Accounts"),
		app.Fails(app.Forbidden), app.Limit(60, time.Hour, app.PerClient)) //nolint:mnd // each costs a hash
	b.Publishes(RegistrationMail{}, UserRegistered{})
}

// Execute has a link sent to the address, with which its owner sets a password. Whether there is a user of the address, the caller does not learn:
// the owner does, from the mail. Nobody can register with an address of others, since there is no user before the link was used.
//
//	@ID				accounts.register
//	@Summary		Has a link sent to the address, with which its owner sets a password
//	@Description	Whether there is a user of the address, the caller does not learn: the owner does, from the mail. Nobody can register with an address of others, since there is no user before the link was used.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body											body		RegisterRequest	true	"The body of POST /accounts/register"
//	@Success		202												{object}	app.Response[app.Empty]
//	@Failure		400,403,408,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Router			/accounts/register [post]
//
//plug:derived 5ac73874
func (p *RegisterPlugin) Execute(ctx context.Context, req RegisterRequest) (app.Empty, error) {
	if p.settings.Registration != "open" {
		return app.Empty{}, app.Errorf(app.Forbidden, "registration is not open; ask an administrator for an invitation")
	}
	email := normalEmail(req.Email)
	may, err := mayMail(ctx, p.throttle, models.Register, email)
	if err != nil || !may {
		return app.Empty{}, err
	}
	return app.Empty{}, p.bus.Publish(ctx, RegistrationMail{Purpose: models.Register, Email: email})
}

// Confirm makes the user to whom the link was sent.
//
//	@ID			accounts.register.confirm
//	@Summary	Makes the user to whom the link was sent
//	@Tags		Accounts
//	@Accept		json
//	@Produce	json
//	@Param		body											body		ConfirmRegistrationRequest	true	"The body of POST /accounts/register/confirm"
//	@Success	201												{object}	ConfirmRegistrationResponse
//	@Failure	400,403,408,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Router		/accounts/register/confirm [post]
//
//plug:derived 712c90dc
func (p *RegisterPlugin) Confirm(ctx context.Context, req ConfirmRegistrationRequest) (data ConfirmRegistrationData, err error) {
	if p.settings.Registration == "closed" {
		return data, app.Errorf(app.Forbidden, "registration is closed")
	}
	if err := p.hasher.Check("password", req.Password, req.Name); err != nil {
		return data, err
	}
	if err := p.sessions.Holds(ctx, models.Register, req.Token); err != nil {
		return data, err // before the work of a hash
	}
	hash, err := p.hasher.Hash(ctx, req.Password)
	if err != nil {
		return data, err
	}
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		ticket, err := p.sessions.Use(ctx, models.Register, req.Token)
		if err != nil {
			return err
		}
		if err := p.hasher.Check("password", req.Password, ticket.Email); err != nil {
			return err
		}
		roles, err := p.invited(ctx, ticket)
		if err != nil {
			return err
		}
		now := p.clock.Now()
		user := models.User{ID: sessions.NewID(), Email: ticket.Email, Name: strings.TrimSpace(req.Name), PasswordHash: hash, PasswordChangedAt: now, CreatedAt: now}
		if err := p.insert(ctx, user, roles); err != nil {
			return err
		}
		data.UserID = user.ID
		// Whoever guesses at the new user's password elsewhere must not keep them out.
		if err := p.sessions.Remember(ctx, user.ID, ""); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserRegistered{ID: user.ID})
	})
	return data, err
}

// invited returns the roles that the ticket's user gets. An invitation is worth what its inviter may do now: it is refused when they may
// invite nobody any more, and roles are left out that were deleted, or that they could not give now, since the role grew or their own rights
// shrank. So nobody who is sent away keeps a way back in their mailbox.
func (p *RegisterPlugin) invited(ctx context.Context, ticket models.Ticket) ([]string, error) {
	if ticket.InvitedBy == nil {
		if p.settings.Registration != "open" { // it was, when the link was asked for
			return nil, app.Errorf(app.Forbidden, "registration is not open; ask an administrator for an invitation")
		}
		return nil, nil
	}
	if err := rights.Lock(ctx, p.db); err != nil {
		return nil, err
	}
	inviter, holds, err := rights.Holder(ctx, p.db, *ticket.InvitedBy)
	switch {
	case err != nil:
		return nil, err
	case !holds || !inviter.Can(WriteUsers):
		return nil, app.Errorf(app.Forbidden, "the invitation does not hold any more; ask for a new one")
	}
	var roles []models.Role
	if err := p.db.WithContext(ctx).Where("name IN ?", strings.Fields(ticket.Roles)).Find(&roles).Error; err != nil {
		return nil, fmt.Errorf("find roles: %w", err)
	}
	roles = slices.DeleteFunc(roles, func(role models.Role) bool { return rights.MayGive(inviter, role) != nil })
	return rights.Names(roles), nil
}

// insert stores a user with roles.
func (p *RegisterPlugin) insert(ctx context.Context, user models.User, roles []string) error {
	err := p.db.WithContext(ctx).Create(&user).Error
	if app.CodeOf(err) == app.Conflict {
		return app.Errorf(app.Conflict, "there is a user with this address already; sign in, or reset the password").Because(err)
	}
	if err != nil {
		return fmt.Errorf("insert user: %w", err)
	}
	return giveRoles(ctx, p.db, user.ID, roles)
}

// giveRoles gives a user roles, those that exist.
func giveRoles(ctx context.Context, db *gorm.DB, userID string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var roles []models.Role
	if err := db.WithContext(ctx).Where("name IN ?", names).Find(&roles).Error; err != nil {
		return fmt.Errorf("find roles: %w", err)
	}
	rows := make([]models.UserRole, len(roles))
	for i, role := range roles {
		rows[i] = models.UserRole{UserID: userID, Role: role.Name}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error; err != nil {
		return fmt.Errorf("insert roles of user: %w", err)
	}
	return nil
}
