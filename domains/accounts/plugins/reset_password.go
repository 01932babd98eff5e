package plugins

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// RequestResetRequest is the body of POST /accounts/reset.
type RequestResetRequest struct {
	Email string `json:"email" binding:"required,max=254,email" example:"ada@example.org"`
}

// ResetPasswordRequest is the body of POST /accounts/reset/confirm.
type ResetPasswordRequest struct {
	// Token is what was sent to the address.
	Token    string `json:"token" binding:"required,max=200" checks:"link=was sent by this service, and is neither over nor used" example:"pbt_…"`
	Password string `json:"password" binding:"required,min=12,max=256" checks:"common=is not among those that are tried first; text=is text" example:"correct horse battery staple"`
}

// ResetMail asks for the mails about a password that was forgotten; see [MailRequested].
type ResetMail struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
}

// Topic implements app.Event.
func (ResetMail) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e ResetMail) Key() string { return e.Email }

// UserPasswordReset is announced when a user has a new password, since they had forgotten the old one.
type UserPasswordReset struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserPasswordReset) Topic() string { return "user.password_changed" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserPasswordReset) Key() string { return e.ID }

// ResetPassword is the plugin that serves POST /accounts/reset and its confirmation.
var ResetPassword = app.Plugin[*ResetPasswordPlugin]("accounts.reset_password", NewResetPasswordPlugin)

// ResetPasswordPlugin lets users set a password who have forgotten theirs.
type ResetPasswordPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	sessions *sessions.Store
	hasher   *passwords.Hasher
	throttle *throttle.Throttle
	clock    app.Clock
}

// NewResetPasswordPlugin takes what the plugin needs; Fx resolves it by type.
func NewResetPasswordPlugin(
	db *gorm.DB, bus app.Bus, store *sessions.Store, hasher *passwords.Hasher, limits *throttle.Throttle, clock app.Clock,
) *ResetPasswordPlugin {
	return &ResetPasswordPlugin{db: db, bus: bus, sessions: store, hasher: hasher, throttle: limits, clock: clock}
}

// OnBoot registers what the plugin serves and announces.
func (p *ResetPasswordPlugin) OnBoot(b *app.Boot) {
	b.POST("/accounts/reset", app.Handle(p.Execute), app.Public(), app.Status(http.StatusAccepted), app.Tags("Accounts"),
		app.Limit(20, time.Hour, app.PerClient)) //nolint:mnd // more than a household needs
	b.POST("/accounts/reset/confirm", app.Handle(p.Confirm), app.Public(), app.Status(http.StatusNoContent), app.Tags("Accounts"),
		app.Fails(app.Forbidden), app.Limit(60, time.Hour, app.PerClient)) //nolint:mnd // each costs a hash
	b.Publishes(ResetMail{}, UserPasswordReset{})
}

// resetDelay is how long the subscriber waits. It looks for the user, and stores a link if there is one: while the answer is on its way, that work
// would show in the answer's time.
const resetDelay = 100 * time.Millisecond

// Execute has a link sent to the address, if a user has it. It does the same for every address: a subscriber looks for the user later. So neither
// the answer nor its time tells who has an account.
//
//	@ID				accounts.reset_password
//	@Summary		Has a link sent to the address, if a user has it
//	@Description	It does the same for every address: a subscriber looks for the user later. So neither the answer nor its time tells who has an account.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body											body		RequestResetRequest	true	"The body of POST /accounts/reset"
//	@Success		202												{object}	app.Response[app.Empty]
//	@Failure		400,403,408,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Router			/accounts/reset [post]
//
//plug:derived 14ea6426
func (p *ResetPasswordPlugin) Execute(ctx context.Context, req RequestResetRequest) (app.Empty, error) {
	email := normalEmail(req.Email)
	may, err := mayMail(ctx, p.throttle, models.Reset, email)
	if err != nil || !may {
		return app.Empty{}, err
	}
	return app.Empty{}, p.bus.Publish(ctx, ResetMail{Purpose: models.Reset, Email: email}, app.Delay(resetDelay))
}

// Confirm sets the password, and ends all sessions of the user. The user then signs in; keys go on, and are deleted one by one.
//
//	@ID				accounts.reset_password.confirm
//	@Summary		Sets the password, and ends all sessions of the user
//	@Description	The user then signs in; keys go on, and are deleted one by one.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body											body	ResetPasswordRequest	true	"The body of POST /accounts/reset/confirm"
//	@Success		204												"No Content"
//	@Failure		400,403,408,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Router			/accounts/reset/confirm [post]
//
//plug:derived 31c4ada8
func (p *ResetPasswordPlugin) Confirm(ctx context.Context, req ResetPasswordRequest) (app.Empty, error) {
	if err := p.hasher.Check("password", req.Password); err != nil {
		return app.Empty{}, err
	}
	if err := p.sessions.Holds(ctx, models.Reset, req.Token); err != nil {
		return app.Empty{}, err // before the work of a hash
	}
	hash, err := p.hasher.Hash(ctx, req.Password)
	if err != nil {
		return app.Empty{}, err
	}
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		ticket, err := p.sessions.Use(ctx, models.Reset, req.Token)
		if err != nil {
			return err
		}
		if err := p.hasher.Check("password", req.Password, ticket.Email); err != nil {
			return err
		}
		return p.set(ctx, *ticket.UserID, ticket.Email, hash)
	})
}

func (p *ResetPasswordPlugin) set(ctx context.Context, userID, email, hash string) error {
	// The link went to the address that the user had then. Whoever reads it must still be the user.
	changed := p.db.WithContext(ctx).Model(&models.User{}).Where("id = ? AND email = ? AND disabled_at IS NULL", userID, email).
		Updates(map[string]any{"password_hash": hash, "password_changed_at": p.clock.Now()})
	if changed.Error != nil {
		return fmt.Errorf("update password: %w", changed.Error)
	}
	if changed.RowsAffected == 0 {
		return app.Errorf(app.Forbidden, "the account is disabled, or has another address")
	}
	if err := p.sessions.EndWithPassword(ctx, userID, ""); err != nil {
		return err
	}
	// While somebody guesses at the password, no other device gets in. The one that the owner resets it with must, if it is a browser.
	if err := p.sessions.Remember(ctx, userID, ""); err != nil {
		return err
	}
	if err := p.bus.Publish(ctx, ResetMail{Purpose: noticePasswordChanged, Email: email}); err != nil {
		return err
	}
	return p.bus.Publish(ctx, UserPasswordReset{ID: userID})
}
