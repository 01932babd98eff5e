package plugins

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// ChangePasswordRequest is the body of POST /accounts/me/password.
type ChangePasswordRequest struct {
	// Current is the password so far.
	Current  string `json:"current" binding:"required,max=1024"`
	Password string `json:"password" binding:"required,min=12,max=256" checks:"common=is not among those that are tried first; text=is text" example:"correct horse battery staple"`
	// Use says what to do with the new session, as at the sign-in.
	Use string `json:"use" binding:"omitempty,oneof=cookie token" example:"token"`
	// Device is the cookie of a browser that has signed in before.
	Device    string `cookie:"__Host-device" json:"-" binding:"max=200"`
	UserAgent string `header:"User-Agent" json:"-"`
}

// ChangePasswordData has the new session, in the place of all that the user had.
type ChangePasswordData struct {
	UserID string `json:"user_id" example:"0198c0de-0000-7000-8000-000000000001"`
	// Token is that of the new session. It is left out when the session is in a cookie.
	Token string `json:"token,omitzero" example:"pbs_…"` //plug:allow secrets the caller asked for the session, and gets its own
}

// ChangePasswordResponse is the answer of POST /accounts/me/password.
type ChangePasswordResponse = app.Response[ChangePasswordData]

// UserPasswordChanged is announced when a user has a new password.
type UserPasswordChanged struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserPasswordChanged) Topic() string { return "user.password_changed" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserPasswordChanged) Key() string { return e.ID }

// PasswordChangedMail asks for the notice that the password was changed; see [MailRequested].
type PasswordChangedMail struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
}

// Topic implements app.Event.
func (PasswordChangedMail) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e PasswordChangedMail) Key() string { return e.Email }

// ChangePassword is the plugin that serves POST /accounts/me/password.
var ChangePassword = app.Plugin[*ChangePasswordPlugin]("accounts.change_password", NewChangePasswordPlugin)

// ChangePasswordPlugin changes passwords.
type ChangePasswordPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	sessions *sessions.Store
	hasher   *passwords.Hasher
	throttle *throttle.Throttle
	clock    app.Clock
}

// NewChangePasswordPlugin takes what the plugin needs; Fx resolves it by type.
func NewChangePasswordPlugin(
	db *gorm.DB, bus app.Bus, store *sessions.Store, hasher *passwords.Hasher, limits *throttle.Throttle, clock app.Clock,
) *ChangePasswordPlugin {
	return &ChangePasswordPlugin{db: db, bus: bus, sessions: store, hasher: hasher, throttle: limits, clock: clock}
}

// OnBoot registers what the plugin serves and announces.
func (p *ChangePasswordPlugin) OnBoot(b *app.Boot) {
	b.POST("/accounts/me/password", app.Handle(p.Execute), app.SignedIn(), app.Tags("Accounts"), app.Fails(app.NotFound, app.Forbidden, app.TooMany))
	b.Publishes(PasswordChangedMail{}, UserPasswordChanged{})
}

// Execute changes the password of the caller, ends all their sessions, and starts a new one. The old password is asked for, so a session
// that somebody stole does not suffice; guesses count as those at the sign-in do.
//
//	@ID				accounts.change_password
//	@Summary		Changes the password of the caller, ends all their sessions, and starts a new one
//	@Description	The old password is asked for, so a session that somebody stole does not suffice; guesses count as those at the sign-in do.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			User-Agent												header		string					false	"The User-Agent"
//	@Param			body													body		ChangePasswordRequest	true	"The body of POST /accounts/me/password"
//	@Success		200														{object}	ChangePasswordResponse
//	@Failure		400,401,403,404,408,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/me/password [post]
//
//plug:derived 7358d193
func (p *ChangePasswordPlugin) Execute(ctx context.Context, req ChangePasswordRequest) (data ChangePasswordData, err error) {
	if currentSession(ctx) == "" {
		return data, app.Errorf(app.Forbidden, "a key cannot change the password; sign in")
	}
	if err := p.hasher.Admits(ctx); err != nil {
		return data, err
	}
	user, err := findUser(ctx, p.db, caller(ctx).ID)
	if err != nil {
		return data, err
	}
	if err := p.hasher.Check("password", req.Password, user.Email, user.Name); err != nil {
		return data, err
	}
	attempt := counted{"password:" + user.ID, accountLimit}
	if err := p.throttle.Take(ctx, attempt.name, attempt.limit); err != nil {
		return data, err
	}
	hash, err := p.hash(ctx, user, req)
	if app.CodeOf(err) == app.Unavailable { // nobody has judged the attempt, so it does not count
		err = errors.Join(err, p.throttle.GiveBack(ctx, attempt.name, attempt.limit))
	}
	if err != nil {
		return data, err
	}
	return p.change(ctx, user, hash, attempt, req)
}

// hash returns the hash of the new password, if the current one is right.
func (p *ChangePasswordPlugin) hash(ctx context.Context, user models.User, req ChangePasswordRequest) (string, error) {
	matches, _, err := p.hasher.Matches(ctx, req.Current, user.PasswordHash)
	if err != nil {
		return "", err
	}
	if !matches {
		return "", app.Errorf(app.Forbidden, "the current password is wrong")
	}
	return p.hasher.Hash(ctx, req.Password)
}

// change stores the new password, unless it was changed since it was compared.
func (p *ChangePasswordPlugin) change(ctx context.Context, user models.User, hash string, a counted, req ChangePasswordRequest) (ChangePasswordData, error) {
	data := ChangePasswordData{UserID: user.ID}
	var token string
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		changed := p.db.WithContext(ctx).Model(&models.User{}).Where("id = ? AND password_hash = ? AND disabled_at IS NULL", user.ID, user.PasswordHash).
			Updates(map[string]any{"password_hash": hash, "password_changed_at": p.clock.Now()})
		if changed.Error != nil {
			return fmt.Errorf("update password: %w", changed.Error)
		}
		if changed.RowsAffected == 0 {
			return app.Errorf(app.Forbidden, "the current password is wrong")
		}
		if err := p.throttle.GiveBack(ctx, a.name, a.limit); err != nil {
			return err
		}
		if err := p.sessions.EndWithPassword(ctx, user.ID, req.Device); err != nil {
			return err
		}
		var err error
		if token, err = p.sessions.Start(ctx, user.ID, sessions.ClientOf(ctx, req.UserAgent)); err != nil {
			return err
		}
		if err := p.bus.Publish(ctx, PasswordChangedMail{Purpose: noticePasswordChanged, Email: user.Email}); err != nil {
			return err
		}
		return p.bus.Publish(ctx, UserPasswordChanged{ID: user.ID})
	})
	if err != nil {
		return ChangePasswordData{}, err
	}
	data.Token, err = p.sessions.Give(ctx, req.Use, token)
	return data, err
}
