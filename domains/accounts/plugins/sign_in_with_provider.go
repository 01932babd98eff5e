package plugins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/sessions"
)

// SignInWithProviderRequest is what GET /accounts/sign-in/provider is asked with.
type SignInWithProviderRequest struct {
	// Return is where the browser goes after the sign-in: a path of this host, with what is not ASCII escaped.
	Return string `form:"return" json:"-" default:"/" binding:"max=2000" checks:"local=is a path of this host" example:"/orders"`
	// Fresh has the provider ask the user to prove anew who they are, for endpoints that need a sign-in of the last minutes.
	Fresh bool `form:"fresh" json:"-"`
	// Browser is the cookie of a browser that has begun a sign-in already.
	Browser string `cookie:"__Host-flow" json:"-" binding:"max=200"`
}

// Validate refuses to return to anywhere but a path of this host.
func (r SignInWithProviderRequest) Validate() error { return localPath(r.Return) }

// FinishSignInWithProviderRequest is what the provider sends back with the browser.
type FinishSignInWithProviderRequest struct {
	State string `form:"state" json:"-" binding:"max=200"`
	Code  string `form:"code" json:"-" binding:"max=8192"`
	// Issuer is the provider's name, Error its refusal in the place of a code.
	Issuer    string `form:"iss" json:"-" binding:"max=2000"`
	Error     string `form:"error" json:"-" binding:"max=2000"`
	Browser   string `cookie:"__Host-flow" json:"-" binding:"max=200"`
	Session   string `cookie:"__Host-session" json:"-" binding:"max=200"`
	Device    string `cookie:"__Host-device" json:"-" binding:"max=200"`
	UserAgent string `header:"User-Agent" json:"-"`
}

// LinkProviderRequest is the body of POST /accounts/me/identities/link.
type LinkProviderRequest struct {
	// Return is where the browser goes afterwards, as at the sign-in.
	Return  string `json:"return" default:"/" binding:"max=2000" checks:"local=is a path of this host" example:"/settings"`
	Browser string `cookie:"__Host-flow" json:"-" binding:"max=200"`
}

// Validate refuses to return to anywhere but a path of this host.
func (r LinkProviderRequest) Validate() error { return localPath(r.Return) }

// LinkProviderData says where the browser is to go.
type LinkProviderData struct {
	URL string `json:"url" example:"https://login.example.org/authorize?…"`
}

// LinkProviderResponse is the answer of POST /accounts/me/identities/link.
type LinkProviderResponse = app.Response[LinkProviderData]

// UserRegisteredWithProvider is announced when signing in with a provider has made a user. For subscribers it is the event of every new user.
type UserRegisteredWithProvider struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserRegisteredWithProvider) Topic() string { return "user.registered" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserRegisteredWithProvider) Key() string { return e.ID }

// UserIdentityLinked is announced when a user can sign in with a provider from now on.
type UserIdentityLinked struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserIdentityLinked) Topic() string { return "user.identity_linked" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e UserIdentityLinked) Key() string { return e.ID }

// IdentityLinkedMail asks for the notice that a user can sign in with a provider from now on; see [MailRequested].
type IdentityLinkedMail struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
}

// Topic implements app.Event.
func (IdentityLinkedMail) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e IdentityLinkedMail) Key() string { return e.Email }

// SignInWithProvider is the plugin that serves GET /accounts/sign-in/provider and what belongs to it.
var SignInWithProvider = app.Plugin[*SignInWithProviderPlugin]("accounts.sign_in_with_provider", NewSignInWithProviderPlugin)

// SignInWithProviderPlugin signs users in whom an identity provider knows.
type SignInWithProviderPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	client   *provider.Client
	flows    *provider.Flows
	sessions *sessions.Store
	clock    app.Clock
	settings provider.Settings
	logger   *zap.Logger
}

// NewSignInWithProviderPlugin takes what the plugin needs; Fx resolves it by type.
func NewSignInWithProviderPlugin(
	db *gorm.DB, bus app.Bus, client *provider.Client, flows *provider.Flows, store *sessions.Store, clock app.Clock, settings provider.Settings, logger *zap.Logger,
) *SignInWithProviderPlugin {
	return &SignInWithProviderPlugin{db: db, bus: bus, client: client, flows: flows, sessions: store, clock: clock, settings: settings, logger: logger}
}

// OnBoot registers what the plugin serves and announces.
func (p *SignInWithProviderPlugin) OnBoot(b *app.Boot) {
	const attempts = 30 // a minute; a person needs one
	b.GET("/accounts/sign-in/provider", app.Handle(p.Execute), app.Public(), app.Tags("Accounts"),
		app.Status(http.StatusSeeOther), app.Fails(app.NotFound), app.Limit(attempts, time.Minute, app.PerClient))
	b.GET("/accounts/sign-in/provider/callback", app.Handle(p.Finish), app.Public(), app.Tags("Accounts"),
		app.Status(http.StatusSeeOther), app.Fails(app.Unauthorized, app.Forbidden, app.NotFound, app.Conflict), app.Limit(attempts, time.Minute, app.PerClient))
	b.POST("/accounts/me/identities/link", app.Handle(p.Link), app.SignedIn(), app.Fresh(fresh), app.Tags("Accounts"),
		app.Fails(app.NotFound))
	b.Publishes(UserRegisteredWithProvider{}, UserIdentityLinked{}, IdentityLinkedMail{})
}

// enabled refuses in a service without a provider.
func (p *SignInWithProviderPlugin) enabled() error {
	if !p.settings.On() {
		return app.Errorf(app.NotFound, "there is no sign-in with a provider")
	}
	return nil
}

// Execute sends the browser to the provider.
//
//	@ID			accounts.sign_in_with_provider
//	@Summary	Sends the browser to the provider
//	@Tags		Accounts
//	@Produce	json
//	@Param		return							query	string	false	"Where the browser goes after the sign-in: a path of this host, with what is not ASCII escaped"	default(/)	maxlength(2000)
//	@Param		fresh							query	boolean	false	"Has the provider ask the user to prove anew who they are, for endpoints that need a sign-in of the last minutes"
//	@Success	303								"See Other"
//	@Failure	400,404,421,422,429,500,503,504	{object}	app.Failure
//	@Router		/accounts/sign-in/provider [get]
//
//plug:derived b0bf92b0
func (p *SignInWithProviderPlugin) Execute(ctx context.Context, req SignInWithProviderRequest) (app.Empty, error) {
	if err := p.enabled(); err != nil {
		return app.Empty{}, err
	}
	to, err := p.begin(ctx, req.Browser, req.Return, req.Fresh, nil)
	if err != nil {
		return app.Empty{}, err
	}
	app.SetHeader(ctx, "Location", to)
	return app.Empty{}, nil
}

// Link lets the caller link an account at the provider: it returns where to send the browser.
//
//	@ID			accounts.sign_in_with_provider.link
//	@Summary	Lets the caller link an account at the provider: it returns where to send the browser
//	@Tags		Accounts
//	@Accept		json
//	@Produce	json
//	@Param		body												body		LinkProviderRequest	true	"The body of POST /accounts/me/identities/link"
//	@Success	200													{object}	LinkProviderResponse
//	@Failure	400,401,403,404,408,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me/identities/link [post]
//
//plug:derived 6e902544
func (p *SignInWithProviderPlugin) Link(ctx context.Context, req LinkProviderRequest) (LinkProviderData, error) {
	if err := p.enabled(); err != nil {
		return LinkProviderData{}, err
	}
	who := caller(ctx).ID
	to, err := p.begin(ctx, req.Browser, req.Return, false, &who)
	return LinkProviderData{URL: to}, err
}

// begin begins a flow and returns where to send the browser. The provider is asked first, so that nothing is stored while it is gone.
func (p *SignInWithProviderPlugin) begin(ctx context.Context, browser, returnPath string, fresh bool, userID *string) (string, error) {
	secrets := provider.NewSecrets(browser)
	to, err := p.client.AuthURL(ctx, secrets, fresh)
	if err != nil {
		return "", err
	}
	local, _ := provider.ReturnPath(returnPath) // Validate has made sure
	return to, p.flows.Save(ctx, secrets, local, userID)
}

// Finish ends a flow: it signs in whom the provider has sent back, or links them.
//
//	@ID			accounts.sign_in_with_provider.finish
//	@Summary	Ends a flow: it signs in whom the provider has sent back, or links them
//	@Tags		Accounts
//	@Produce	json
//	@Param		state										query	string	false	"The state"														maxlength(200)
//	@Param		code										query	string	false	"The code"														maxlength(8192)
//	@Param		iss											query	string	false	"The provider's name, Error its refusal in the place of a code"	maxlength(2000)
//	@Param		error										query	string	false	"The error"														maxlength(2000)
//	@Param		User-Agent									header	string	false	"The User-Agent"
//	@Success	303											"See Other"
//	@Failure	400,401,403,404,409,421,422,429,500,503,504	{object}	app.Failure
//	@Router		/accounts/sign-in/provider/callback [get]
//
//plug:derived 4eebccf9
func (p *SignInWithProviderPlugin) Finish(ctx context.Context, req FinishSignInWithProviderRequest) (app.Empty, error) {
	if err := p.enabled(); err != nil {
		return app.Empty{}, err
	}
	flow, err := p.flows.Take(ctx, req.State, req.Browser)
	if err != nil {
		return app.Empty{}, err
	}
	person, err := p.client.Identify(ctx, provider.Answer{Code: req.Code, Issuer: req.Issuer, Error: req.Error}, flow)
	if err != nil {
		if app.CodeOf(err) != app.Unavailable { // the host logs those
			app.Logger(ctx, p.logger).Warn("sign-in with the provider refused", zap.Error(err))
		}
		return app.Empty{}, err
	}
	if flow.UserID != nil {
		err = p.link(ctx, *flow.UserID, person, req)
	} else {
		err = p.signIn(ctx, person, req)
	}
	if err != nil {
		return app.Empty{}, err
	}
	app.SetHeader(ctx, "Location", flow.ReturnPath)
	return app.Empty{}, app.SetCookie(ctx, app.Cookie{Name: provider.FlowCookie, MaxAge: -time.Second})
}

// refusal is a sign-in that is refused, and recorded.
type refusal struct {
	outcome models.Outcome
	userID  string
	reason  *app.Error
}

// Error implements error.
func (r *refusal) Error() string { return r.reason.Error() }

// signIn starts a session of the user who the person is. Of two first sign-ins at the same time, one makes the user. The other may have looked for the
// identity before that and for the address after it, so it takes the user for somebody else's: it looks again in a transaction that sees both.
func (p *SignInWithProviderPlugin) signIn(ctx context.Context, person provider.Person, req FinishSignInWithProviderRequest) error {
	client := sessions.ClientOf(ctx, req.UserAgent)
	token, err := p.start(ctx, person, client, req)
	r, ok := errors.AsType[*refusal](err)
	if app.CodeOf(err) == app.Conflict || ok && r.outcome == models.NotLinked {
		token, err = p.start(ctx, person, client, req)
		r, ok = errors.AsType[*refusal](err)
	}
	if ok {
		if err := p.record(ctx, r.userID, r.outcome, client); err != nil {
			return err
		}
		return r.reason
	}
	if err != nil {
		return err
	}
	return p.sessions.SetCookie(ctx, token)
}

// start starts the session. A constraint that another sign-in at the same time violates is [app.Conflict].
func (p *SignInWithProviderPlugin) start(
	ctx context.Context, person provider.Person, client sessions.Client, req FinishSignInWithProviderRequest,
) (token string, err error) {
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		userID, err := p.userOf(ctx, person)
		if err != nil {
			return err
		}
		// This also locks the user's row, so that the user is not disabled at the same time.
		may := p.db.WithContext(ctx).Model(&models.User{}).Where("id = ? AND disabled_at IS NULL", userID).Update("name", gorm.Expr("name"))
		if may.Error != nil {
			return fmt.Errorf("lock user: %w", may.Error)
		}
		if may.RowsAffected == 0 {
			return &refusal{models.Disabled, userID, app.Errorf(app.Forbidden, "the account is disabled")}
		}
		if token, err = p.sessions.StartAt(ctx, userID, client, person.SignedInAt); err != nil {
			return err
		}
		if err := p.sessions.EndBefore(ctx, req.Session); err != nil {
			return err
		}
		if err := p.sessions.Remember(ctx, userID, req.Device); err != nil {
			return err
		}
		return p.record(ctx, userID, models.SignedIn, client)
	})
	return token, err
}

func (p *SignInWithProviderPlugin) record(ctx context.Context, userID string, outcome models.Outcome, client sessions.Client) error {
	return recordSignIn(ctx, p.db, models.SignIn{
		UserID: userID, Outcome: outcome, Method: "provider", Address: client.Address, UserAgent: client.UserAgent, At: p.clock.Now(),
	})
}

// userOf returns the user who the person is. Somebody who is new is linked to the user of the same address or becomes a user, where
// the settings allow it.
func (p *SignInWithProviderPlugin) userOf(ctx context.Context, person provider.Person) (string, error) {
	identity, found, err := p.identity(ctx, person)
	if err != nil || found {
		return identity.UserID, err
	}
	if person.Email == "" { // the answer is the same whether there is a user of the address or not
		return "", &refusal{models.UnknownUser, "", app.Errorf(app.Forbidden, "no account is linked to this sign-in, and the identity provider has not verified an e-mail address")}
	}
	var user models.User
	sought := p.db.WithContext(ctx).Where("email = ?", person.Email).Limit(1).Find(&user)
	switch {
	case sought.Error != nil:
		return "", fmt.Errorf("find user: %w", sought.Error)
	case sought.RowsAffected > 0 && p.settings.Link == provider.VerifiedEmail:
		return user.ID, p.linkTo(ctx, user, person)
	case sought.RowsAffected > 0:
		return "", &refusal{models.NotLinked, user.ID, app.Errorf(app.Conflict, "there is an account with this e-mail address; sign in with its password, and link the provider")}
	case !p.settings.Register:
		return "", &refusal{models.UnknownUser, "", app.Errorf(app.Forbidden, "no account is linked to this sign-in, and signing in makes none")}
	}
	now := p.clock.Now()
	user = models.User{ID: sessions.NewID(), Email: person.Email, Name: person.Name, PasswordChangedAt: now, CreatedAt: now}
	if err := p.db.WithContext(ctx).Create(&user).Error; err != nil {
		return "", fmt.Errorf("insert user: %w", err)
	}
	if err := p.bus.Publish(ctx, UserRegisteredWithProvider{ID: user.ID}); err != nil {
		return "", err
	}
	return user.ID, p.insert(ctx, user.ID, person)
}

// identity finds a person among those whom the provider has sent before.
func (p *SignInWithProviderPlugin) identity(ctx context.Context, person provider.Person) (identity models.Identity, found bool, err error) {
	sought := p.db.WithContext(ctx).Where("issuer = ? AND subject = ?", person.Issuer, person.Subject).Limit(1).Find(&identity)
	if sought.Error != nil {
		return identity, false, fmt.Errorf("find identity: %w", sought.Error)
	}
	return identity, sought.RowsAffected > 0, nil
}

// insert links a person to a user.
func (p *SignInWithProviderPlugin) insert(ctx context.Context, userID string, person provider.Person) error {
	identity := models.Identity{Issuer: person.Issuer, Subject: person.Subject, UserID: userID, CreatedAt: p.clock.Now()}
	if err := p.db.WithContext(ctx).Create(&identity).Error; err != nil {
		return fmt.Errorf("insert identity: %w", err)
	}
	return p.bus.Publish(ctx, UserIdentityLinked{ID: userID})
}

// linkTo links a person to a user who was there before, and tells the user by mail.
func (p *SignInWithProviderPlugin) linkTo(ctx context.Context, user models.User, person provider.Person) error {
	if err := p.insert(ctx, user.ID, person); err != nil {
		return err
	}
	return p.bus.Publish(ctx, IdentityLinkedMail{Purpose: noticeIdentityLinked, Email: user.Email, UserID: user.ID})
}

// link links a person to the user who began the flow, and who is still signed in with this browser: a session that was ended meanwhile, since it was
// stolen perhaps, must leave nothing behind.
func (p *SignInWithProviderPlugin) link(ctx context.Context, userID string, person provider.Person, req FinishSignInWithProviderRequest) error {
	r := &http.Request{Header: http.Header{"Cookie": {(&http.Cookie{Name: sessions.SessionCookie, Value: req.Session}).String()}}} //nolint:gosec // a cookie of a request has no attributes
	who, err := sessions.NewAuthenticator(p.sessions).Authenticate(ctx, r)
	if err != nil {
		return err
	}
	if who == nil || who.ID != userID {
		return app.Errorf(app.Unauthorized, "sign in again: linking needs the session in which it began")
	}
	return app.InTx(ctx, p.db, func(ctx context.Context) error {
		identity, found, err := p.identity(ctx, person)
		if err != nil || found && identity.UserID == userID {
			return err
		}
		if !found {
			var user models.User
			if user, err = findUser(ctx, p.db, userID); err == nil {
				err = p.linkTo(ctx, user, person)
			}
		}
		if found || app.CodeOf(err) == app.Conflict {
			return app.Errorf(app.Conflict, "this sign-in is linked to another account").Because(err)
		}
		return err
	})
}
