package plugins

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// SignInRequest is the body of POST /accounts/sign-in.
type SignInRequest struct {
	Email    string `json:"email" binding:"required,max=254,email" example:"ada@example.org"`
	Password string `json:"password" binding:"required,max=1024" example:"correct horse battery staple"`
	// Use is "cookie" for a browser, whose scripts then never see the session, or "token" for any other program.
	Use string `json:"use" binding:"omitempty,oneof=cookie token" example:"token"`
	// Device is the cookie of a browser that has signed in before, Session that of its session, which ends.
	Device    string `cookie:"__Host-device" json:"-" binding:"max=200"`
	Session   string `cookie:"__Host-session" json:"-" binding:"max=200"`
	UserAgent string `header:"User-Agent" json:"-"`
}

// SignInData is what the caller learns: the token, unless it asked for a cookie.
type SignInData struct {
	UserID string `json:"user_id" example:"0198c0de-0000-7000-8000-000000000001"`
	// Token is for the header Authorization: "Bearer <token>". It is left out when the session is in a cookie.
	Token string `json:"token,omitzero" example:"pbs_…"` //plug:allow secrets the caller asked for the session, and gets its own
}

// SignInResponse is the answer of POST /accounts/sign-in.
type SignInResponse = app.Response[SignInData]

// SignIn is the plugin that serves POST /accounts/sign-in.
var SignIn = app.Plugin[*SignInPlugin]("accounts.sign_in", NewSignInPlugin)

// SignInPlugin signs users in.
type SignInPlugin struct {
	db       *gorm.DB
	sessions *sessions.Store
	hasher   *passwords.Hasher
	throttle *throttle.Throttle
	clock    app.Clock
}

// NewSignInPlugin takes what the plugin needs; Fx resolves it by type.
func NewSignInPlugin(db *gorm.DB, store *sessions.Store, hasher *passwords.Hasher, limits *throttle.Throttle, clock app.Clock) *SignInPlugin {
	return &SignInPlugin{db: db, sessions: store, hasher: hasher, throttle: limits, clock: clock}
}

// OnBoot registers what the plugin serves.
func (p *SignInPlugin) OnBoot(b *app.Boot) {
	b.POST("/accounts/sign-in", app.Handle(p.Execute), app.Public(), app.Tags("Accounts"),
		app.Fails(app.Unauthorized, app.Forbidden, app.TooMany))
}

// attempt is one attempt to sign in.
type attempt struct {
	user   models.User // without an ID when there is none
	client sessions.Client
	device string // the token of a known device, or ""
	// taken are the limits that the attempt counts for, always in the same order, so that two sign-ins do not wait for each other.
	taken []counted
}

// counted is a name under which attempts count.
type counted struct {
	name  string
	limit throttle.Limit
}

// errWrong is the refusal of a sign-in. It is the same whether the user exists or not.
func errWrong() error {
	return app.Errorf(app.Unauthorized, "the e-mail address or the password is wrong")
}

// Execute signs a user in.
//
//	@ID			accounts.sign_in
//	@Summary	Signs a user in
//	@Tags		Accounts
//	@Accept		json
//	@Produce	json
//	@Param		User-Agent											header		string			false	"The User-Agent"
//	@Param		body												body		SignInRequest	true	"The body of POST /accounts/sign-in"
//	@Success	200													{object}	SignInResponse
//	@Failure	400,401,403,408,413,415,421,422,429,500,503,504,507	{object}	app.Failure
//	@Router		/accounts/sign-in [post]
//
//plug:derived 20ad75e2
func (p *SignInPlugin) Execute(ctx context.Context, req SignInRequest) (SignInData, error) {
	if err := p.hasher.Admits(ctx); err != nil {
		return SignInData{}, err // before any statement: whoever floods the service asks again at once
	}
	a := attempt{client: sessions.ClientOf(ctx, req.UserAgent)}
	email := normalEmail(req.Email)
	if err := p.find(ctx, &a, email, req.Device); err != nil {
		return SignInData{}, err
	}
	if err := p.count(ctx, &a, email); err != nil {
		return SignInData{}, err
	}
	matches, outdated, err := p.hasher.Matches(ctx, req.Password, a.user.PasswordHash)
	if err != nil {
		if app.CodeOf(err) == app.Unavailable { // nobody has judged the attempt, so it does not count
			err = errors.Join(err, p.giveBack(ctx, a))
		}
		return SignInData{}, err
	}
	switch {
	case a.user.ID == "":
		return SignInData{}, p.refuse(ctx, a, models.UnknownUser, errWrong())
	case !matches:
		return SignInData{}, p.refuse(ctx, a, models.WrongPassword, errWrong())
	case a.user.DisabledAt != nil:
		return SignInData{}, p.refuse(ctx, a, models.Disabled, app.Errorf(app.Forbidden, "the account is disabled"))
	}
	hash := a.user.PasswordHash
	if outdated { // when there is no room for another hash, the next sign-in makes it
		if renewed, err := p.hasher.Hash(ctx, req.Password); err == nil {
			hash = renewed
		}
	}
	return p.start(ctx, a, hash, req)
}

// find looks for the user and the device. It makes the same statements whether there are such or not.
func (p *SignInPlugin) find(ctx context.Context, a *attempt, email, device string) error {
	if err := p.db.WithContext(ctx).Where("email = ?", email).Limit(1).Find(&a.user).Error; err != nil {
		return fmt.Errorf("find user: %w", err)
	}
	known, err := p.sessions.Knows(ctx, a.user.ID, device)
	if known {
		a.device = device
	}
	return err
}

// count counts the attempt for the network, and for the account. A device that has signed this user in before counts for itself alone, so that nobody
// who guesses locks the user out, neither from elsewhere nor from the same network.
func (p *SignInPlugin) count(ctx context.Context, a *attempt, email string) error {
	counts := []counted{{"network:" + app.ClientNetwork(ctx).String(), networkLimit}, {"account:" + email, accountLimit}}
	if a.device != "" {
		counts = []counted{{"device:" + a.device, deviceLimit}}
	}
	for _, t := range counts {
		if err := p.throttle.Take(ctx, t.name, t.limit); err != nil {
			return err
		}
		a.taken = append(a.taken, t)
	}
	return nil
}

// giveBack lets the attempt count for no limit.
func (p *SignInPlugin) giveBack(ctx context.Context, a attempt) error {
	for _, t := range a.taken {
		if err := p.throttle.GiveBack(ctx, t.name, t.limit); err != nil {
			return err
		}
	}
	return nil
}

// refuse records a refused attempt and returns the refusal.
func (p *SignInPlugin) refuse(ctx context.Context, a attempt, outcome models.Outcome, refusal error) error {
	if err := p.record(ctx, a, outcome); err != nil {
		return err
	}
	return refusal
}

func (p *SignInPlugin) record(ctx context.Context, a attempt, outcome models.Outcome) error {
	return recordSignIn(ctx, p.db, models.SignIn{
		UserID: a.user.ID, Outcome: outcome, Method: "password", Address: a.client.Address, UserAgent: a.client.UserAgent, At: p.clock.Now(),
	})
}

// recordSignIn stores a sign-in, or an attempt at one.
func recordSignIn(ctx context.Context, db *gorm.DB, entry models.SignIn) error {
	entry.ID, entry.RequestID = sessions.NewID(), app.RequestID(ctx)
	if err := db.WithContext(ctx).Create(&entry).Error; err != nil {
		return fmt.Errorf("record sign-in: %w", err)
	}
	return nil
}

// start starts the session, unless the password has changed, or the user was disabled, since the password was compared.
func (p *SignInPlugin) start(ctx context.Context, a attempt, hash string, req SignInRequest) (data SignInData, err error) {
	data.UserID = a.user.ID
	var token string
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		// This also locks the user's row, so that a change of the password at the same time ends this session, or this fails.
		same := p.db.WithContext(ctx).Model(&models.User{}).
			Where("id = ? AND password_hash = ? AND disabled_at IS NULL", a.user.ID, a.user.PasswordHash).Update("password_hash", hash)
		if same.Error != nil {
			return fmt.Errorf("update user: %w", same.Error)
		}
		if same.RowsAffected == 0 {
			return errWrong()
		}
		if err := p.giveBack(ctx, a); err != nil {
			return err
		}
		if token, err = p.sessions.Start(ctx, a.user.ID, a.client); err != nil {
			return err
		}
		if req.Use != "token" {
			if err := p.remember(ctx, a, req.Session); err != nil {
				return err
			}
		}
		return p.record(ctx, a, models.SignedIn)
	})
	if err != nil {
		return SignInData{}, err
	}
	data.Token, err = p.sessions.Give(ctx, req.Use, token)
	return data, err
}

// remember notes the browser as a known device. The browser's session before ends: the new cookie replaces its cookie, so its user could not sign it
// out any more.
func (p *SignInPlugin) remember(ctx context.Context, a attempt, before string) error {
	if err := p.sessions.EndBefore(ctx, before); err != nil {
		return err
	}
	return p.sessions.Remember(ctx, a.user.ID, a.device)
}

// fresh is how long ago a sign-in may be for what must not be done by whoever finds a device unlocked.
const fresh = 10 * time.Minute
