package plugins

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// ChangeEmailRequest is the body of POST /accounts/me/email.
type ChangeEmailRequest struct {
	Email string `json:"email" binding:"required,max=254,email" example:"ada@example.org"`
}

// ConfirmEmailRequest is the body of POST /accounts/email/confirm.
type ConfirmEmailRequest struct {
	// Token is what was sent to the new address.
	Token string `json:"token" binding:"required,max=200" checks:"link=was sent by this service, and is neither over nor used" example:"pbt_…"`
}

// UserEmailChanged is announced when a user has another address.
type UserEmailChanged struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserEmailChanged) Topic() string { return "user.email_changed" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserEmailChanged) Key() string { return e.ID }

// EmailChangeMail asks for the mails about a change of the address; see [MailRequested].
type EmailChangeMail struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
	// AskedIn is the id of the session in which the user asked, "" for none. If it is over when the mail is to be sent, there is no mail.
	AskedIn string `json:"asked_in"`
}

// Topic implements app.Event.
func (EmailChangeMail) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e EmailChangeMail) Key() string { return e.Email }

// ChangeEmail is the plugin that serves POST /accounts/me/email and its confirmation.
var ChangeEmail = app.Plugin[*ChangeEmailPlugin]("accounts.change_email", NewChangeEmailPlugin)

// ChangeEmailPlugin changes addresses.
type ChangeEmailPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	sessions *sessions.Store
	throttle *throttle.Throttle
}

// NewChangeEmailPlugin takes what the plugin needs; Fx resolves it by type.
func NewChangeEmailPlugin(db *gorm.DB, bus app.Bus, store *sessions.Store, limits *throttle.Throttle) *ChangeEmailPlugin {
	return &ChangeEmailPlugin{db: db, bus: bus, sessions: store, throttle: limits}
}

// OnBoot registers what the plugin serves and announces.
func (p *ChangeEmailPlugin) OnBoot(b *app.Boot) {
	b.POST("/accounts/me/email", app.Handle(p.Execute), app.SignedIn(), app.Fresh(fresh), app.Status(http.StatusAccepted), app.Tags("Accounts"))
	b.POST("/accounts/email/confirm", app.Handle(p.Confirm), app.Public(), app.Status(http.StatusNoContent), app.Tags("Accounts"),
		app.Fails(app.Conflict, app.Forbidden), app.Limit(60, time.Hour, app.PerClient)) //nolint:mnd // more than anybody needs
	b.Publishes(EmailChangeMail{}, UserEmailChanged{})
}

// Execute has a link sent to the new address. The address is changed when its owner has used the link. Whether the address belongs to another user,
// the caller does not learn.
//
//	@ID				accounts.change_email
//	@Summary		Has a link sent to the new address
//	@Description	The address is changed when its owner has used the link. Whether the address belongs to another user, the caller does not learn.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body											body		ChangeEmailRequest	true	"The body of POST /accounts/me/email"
//	@Success		202												{object}	app.Response[app.Empty]
//	@Failure		400,401,403,408,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/me/email [post]
//
//plug:derived 6da96724
func (p *ChangeEmailPlugin) Execute(ctx context.Context, req ChangeEmailRequest) (app.Empty, error) {
	email := normalEmail(req.Email)
	may, err := mayMail(ctx, p.throttle, models.ChangeEmail, email)
	if err != nil || !may {
		return app.Empty{}, err
	}
	return app.Empty{}, p.bus.Publish(ctx, EmailChangeMail{
		Purpose: models.ChangeEmail, Email: email, UserID: caller(ctx).ID, AskedIn: currentSession(ctx),
	})
}

// Confirm changes the address. The user's sessions go on: whoever used the link has not signed in.
//
//	@ID				accounts.change_email.confirm
//	@Summary		Changes the address
//	@Description	The user's sessions go on: whoever used the link has not signed in.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body												body	ConfirmEmailRequest	true	"The body of POST /accounts/email/confirm"
//	@Success		204													"No Content"
//	@Failure		400,403,408,409,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Router			/accounts/email/confirm [post]
//
//plug:derived e5b5f4db
func (p *ChangeEmailPlugin) Confirm(ctx context.Context, req ConfirmEmailRequest) (app.Empty, error) {
	return app.Empty{}, app.InTx(ctx, p.db, func(ctx context.Context) error {
		ticket, err := p.sessions.Use(ctx, models.ChangeEmail, req.Token)
		if err != nil {
			return err
		}
		user, err := findUser(ctx, p.db, *ticket.UserID)
		if err != nil {
			return err
		}
		if user.DisabledAt != nil {
			return app.Errorf(app.Forbidden, "the account is disabled")
		}
		err = p.db.WithContext(ctx).Model(&models.User{}).Where("id = ?", user.ID).Update("email", ticket.Email).Error
		if app.CodeOf(err) == app.Conflict {
			return app.Errorf(app.Conflict, "the address belongs to another user").Because(err)
		}
		if err != nil {
			return fmt.Errorf("update address: %w", err)
		}
		// Links that were sent to the old address lead nowhere from now on: whoever reads it must not reset the password.
		if err := p.db.WithContext(ctx).Where("user_id = ? OR email = ?", user.ID, user.Email).Delete(&models.Ticket{}).Error; err != nil {
			return fmt.Errorf("delete tickets: %w", err)
		}
		if err := p.bus.Publish(ctx, EmailChangeMail{Purpose: noticeEmailChanged, Email: user.Email, UserID: user.ID}); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserEmailChanged{ID: user.ID})
	})
}
