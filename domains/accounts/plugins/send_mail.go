package plugins

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/rights"
	"plugboard/domains/accounts/sessions"
)

// The notices tell a user what was done to the account. They have no ticket.
const (
	noticeEmailChanged    models.Purpose = "email_changed" // to the old address
	noticePasswordChanged models.Purpose = "password_changed"
	noticeIdentityLinked  models.Purpose = "identity_linked"
)

// MailRequested is announced when somebody is to get a mail from this domain. It has no token: the subscriber makes that, so that no link is
// stored with the events.
type MailRequested struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	// UserID is the user who asked for another address, AskedIn the session in which they did.
	UserID  string `json:"user_id"`
	AskedIn string `json:"asked_in"`
}

// Topic implements app.Event.
func (MailRequested) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e MailRequested) Key() string { return e.Email }

// InvitationSent is announced when an administrator invites somebody.
type InvitationSent struct {
	Email string `json:"email"`
	// Roles are what the new user will have, if the inviter may still give them then.
	Roles []string `json:"roles"`
	// InvitedBy is the inviter.
	InvitedBy string `json:"invited_by"`
}

// Topic implements app.Event.
func (InvitationSent) Topic() string { return "account.invitation_sent" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e InvitationSent) Key() string { return e.Email }

// SendMail is the plugin that sends the mails of this domain.
var SendMail = app.Plugin[*SendMailPlugin]("accounts.send_mail", NewSendMailPlugin)

// SendMailPlugin sends mails.
type SendMailPlugin struct {
	db       *gorm.DB
	mailer   app.Mailer
	sessions *sessions.Store
	settings Settings
}

// NewSendMailPlugin takes what the plugin needs; Fx resolves it by type.
func NewSendMailPlugin(db *gorm.DB, mailer app.Mailer, store *sessions.Store, settings Settings) *SendMailPlugin {
	return &SendMailPlugin{db: db, mailer: mailer, sessions: store, settings: settings}
}

// OnBoot registers what the plugin listens to.
func (p *SendMailPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Execute))
	b.Subscribe(app.On(p.Invite))
}

// letter is what a mail says.
type letter struct{ subject, text, fragment string }

// Execute sends the mail. Each attempt makes a ticket of its own, and all of them hold until one is used, so a mail that arrives twice is good
// twice.
func (p *SendMailPlugin) Execute(ctx context.Context, event MailRequested) error {
	user, found, err := p.owner(ctx, event.Email)
	if err != nil {
		return err
	}
	ticket := models.Ticket{Purpose: event.Purpose, Email: event.Email}
	lifetime := p.settings.TicketLifetime
	switch event.Purpose {
	case models.Register:
		if found {
			return p.send(ctx, event.Email, known)
		}
		return p.sendTicket(ctx, ticket, lifetime, letter{"Finish your registration", "Choose a password to finish your registration.", "register"})
	case models.Reset:
		if !found || user.DisabledAt != nil {
			return nil
		}
		ticket.UserID = &user.ID
		return p.sendTicket(ctx, ticket, lifetime, letter{"Reset your password", "Choose a new password. If you did not ask for this, there is nothing to do.", "reset"})
	case models.ChangeEmail:
		if found {
			return p.send(ctx, event.Email, letter{subject: "This address has an account", text: "Somebody wanted to use this address for another account. " +
				"It belongs to yours, so nothing has changed."})
		}
		if holds, err := p.holds(ctx, event); err != nil || !holds {
			return err
		}
		ticket.UserID = &event.UserID
		return p.sendTicket(ctx, ticket, lifetime, letter{"Confirm your new address", "Confirm that this address is yours. If you did not ask for this, there is nothing to do.", "email"})
	case noticeEmailChanged:
		return p.send(ctx, event.Email, letter{subject: "Your address was changed", text: "Your account has another address from now on. " +
			"If that was not you, tell the people who run this service at once."})
	case noticePasswordChanged:
		return p.send(ctx, event.Email, letter{subject: "Your password was changed", text: "Your account has another password from now on, and all sessions " +
			"were ended. API keys and linked accounts of other providers go on. If that was not you, reset the password, look at these, and tell the people " +
			"who run this service."})
	case noticeIdentityLinked:
		return p.send(ctx, event.Email, letter{subject: "There is another way into your account", text: "An account of another provider was linked to yours: " +
			"whoever signs in there has your account too. If that was not you, unlink it, end all sessions and change the password."})
	}
	return app.Permanent(fmt.Errorf("send mail: the purpose %q is not known", event.Purpose))
}

// holds reports whether the user who asked for another address may still: they are neither deleted nor disabled, and the session in which they
// asked is not over. It may have been somebody else's, and the mail may come late.
func (p *SendMailPlugin) holds(ctx context.Context, event MailRequested) (bool, error) {
	_, holds, err := rights.Holder(ctx, p.db, event.UserID)
	if err != nil || !holds || event.AskedIn == "" {
		return holds, err
	}
	return p.sessions.Holding(ctx, event.UserID, event.AskedIn)
}

// known is for somebody who has an account.
//
//nolint:gochecknoglobals // a value that is never changed
var known = letter{subject: "You have an account already", text: "Somebody, perhaps you, wanted to register with this address. " +
	"There is an account with it already. If you have forgotten the password, reset it. Otherwise there is nothing to do."}

// Invite sends an invitation, unless the inviter is gone. It holds for longer than other mails.
func (p *SendMailPlugin) Invite(ctx context.Context, event InvitationSent) error {
	_, found, err := p.owner(ctx, event.Email)
	switch {
	case err != nil:
		return err
	case found:
		return p.send(ctx, event.Email, known)
	}
	if _, holds, err := rights.Holder(ctx, p.db, event.InvitedBy); err != nil || !holds {
		return err
	}
	ticket := models.Ticket{Purpose: models.Register, Email: event.Email, Roles: strings.Join(event.Roles, " "), InvitedBy: &event.InvitedBy}
	return p.sendTicket(ctx, ticket, p.settings.InvitationLifetime, letter{"You are invited", "You are invited to have an account. Choose a password to begin.", "register"})
}

// owner returns the user who has the address.
func (p *SendMailPlugin) owner(ctx context.Context, email string) (user models.User, found bool, err error) {
	result := p.db.WithContext(ctx).Where("email = ?", email).Limit(1).Find(&user)
	if result.Error != nil {
		return user, false, fmt.Errorf("find user: %w", result.Error)
	}
	return user, result.RowsAffected > 0, nil
}

// sendTicket stores a ticket and sends its token.
func (p *SendMailPlugin) sendTicket(ctx context.Context, ticket models.Ticket, lifetime time.Duration, l letter) error {
	token, err := p.sessions.NewTicket(ctx, ticket, lifetime)
	if err != nil {
		return err
	}
	if p.settings.URL == "" {
		l.text += "\n\nYour code is:\n\n" + token
	} else { // a fragment is sent to no server, and stands in no log
		l.text += "\n\nFollow this link:\n\n" + strings.TrimRight(p.settings.URL, "#") + "#" + l.fragment + "=" + token
	}
	l.text += "\n\nIt holds for " + words(lifetime) + ", and can be used once. Show it to nobody."
	return p.send(ctx, ticket.Email, l)
}

func (p *SendMailPlugin) send(ctx context.Context, email string, l letter) error {
	return p.mailer.Send(ctx, app.Mail{To: []string{email}, Subject: l.subject, Text: l.text + "\n"})
}

// words writes a time for people: "2 days", "1 hour", "30 minutes".
func words(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int(d / unit.is); n > 0 && d%unit.is == 0 {
			if n == 1 {
				return "1 " + unit.name
			}
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}
