package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/rights"
	"plugboard/domains/accounts/sessions"
)

// AdministratorRegistered is announced when the command has made a user.
type AdministratorRegistered struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (AdministratorRegistered) Topic() string { return "user.registered" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e AdministratorRegistered) Key() string { return e.ID }

// AdministratorEnabled is announced when the user whom the command makes an administrator was disabled.
type AdministratorEnabled struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (AdministratorEnabled) Topic() string { return "user.enabled" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e AdministratorEnabled) Key() string { return e.ID }

// AdministratorRoleGiven is announced when the user whom the command makes an administrator was none.
type AdministratorRoleGiven struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (AdministratorRoleGiven) Topic() string { return "user.roles_changed" }

// Key implements app.Keyed: what is announced of one user is handled in order.
func (e AdministratorRoleGiven) Key() string { return e.ID }

// AdministratorMail asks for the notice that the command has changed a password; see [MailRequested].
type AdministratorMail struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
}

// Topic implements app.Event.
func (AdministratorMail) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed: what goes to one address goes in order.
func (e AdministratorMail) Key() string { return e.Email }

// CreateAdmin is the plugin that serves the command "accounts create-admin".
var CreateAdmin = app.Plugin[*CreateAdminPlugin]("accounts.create_admin", NewCreateAdminPlugin)

// CreateAdminPlugin makes administrators, the first one and any who is needed to get in again.
type CreateAdminPlugin struct {
	db       *gorm.DB
	bus      app.Bus
	clock    app.Clock
	sessions *sessions.Store
	hasher   *passwords.Hasher

	email, name string // flags
}

// NewCreateAdminPlugin takes what the plugin needs; Fx resolves it by type.
func NewCreateAdminPlugin(db *gorm.DB, bus app.Bus, clock app.Clock, store *sessions.Store, hasher *passwords.Hasher) *CreateAdminPlugin {
	return &CreateAdminPlugin{db: db, bus: bus, clock: clock, sessions: store, hasher: hasher}
}

// OnBoot registers the command, and what it announces.
func (p *CreateAdminPlugin) OnBoot(b *app.Boot) {
	flags := b.Command("Create an administrator, or make one of a user; the password is the first line of the input", p.Execute)
	flags.StringVar(&p.email, "email", "", "the administrator's `address`")
	flags.StringVar(&p.name, "name", "", "how the administrator wants to be called")
	b.Publishes(AdministratorRegistered{}, AdministratorEnabled{}, AdministratorRoleGiven{}, AdministratorMail{})
}

// Execute makes the administrator. A user who exists becomes one: the password is the new one, all sessions, keys, links and linked
// accounts of providers end, and the user is enabled.
func (p *CreateAdminPlugin) Execute(ctx context.Context, call app.CommandCall) error {
	email, name, err := p.flags(call.Args)
	if err != nil {
		return err
	}
	password, err := readPassword(call)
	if err != nil {
		return err
	}
	if err := p.hasher.Check("password", password, email, name); err != nil {
		return err
	}
	hash, err := p.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	var done string
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		user := models.User{Email: email, Name: name, PasswordHash: hash, PasswordChangedAt: p.clock.Now()}
		done, err = p.store(ctx, user)
		return err
	})
	if err != nil {
		return fmt.Errorf("create administrator: %w", err)
	}
	_, err = fmt.Fprintln(call.Out, done)
	return err
}

// flags returns the values of the flags, when they are right.
func (p *CreateAdminPlugin) flags(args []string) (email, name string, err error) {
	const longestEmail, longestName = 254, 100
	email, name = normalEmail(p.email), strings.TrimSpace(p.name)
	parsed, parseErr := mail.ParseAddress(email)
	switch {
	case len(args) > 0:
		return "", "", app.Errorf(app.Invalid, "the command takes flags alone; the password is the first line of the input")
	case email == "":
		return "", "", app.Errorf(app.Invalid, "--email is needed, such as --email ada@example.org")
	case parseErr != nil || parsed.Address != email || len(email) > longestEmail:
		return "", "", app.Errorf(app.Invalid, "--email must be an address such as ada@example.org")
	case utf8.RuneCountInString(name) > longestName:
		return "", "", app.Errorf(app.Invalid, "--name must have at most %d characters", longestName)
	}
	return email, name, nil
}

// readPassword reads the first line of the input.
func readPassword(call app.CommandCall) (string, error) {
	// The process does not turn a terminal's echo off, so it says that the password is seen.
	if _, err := fmt.Fprint(call.Err, "a terminal shows what is typed; to have it hidden, pipe it in\npassword: "); err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	const longestLine = 4096 // more than the longest password
	line, err := bufio.NewReader(io.LimitReader(call.In, longestLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// store stores the administrator, as a new user or as one who exists, and says which of the two it was.
func (p *CreateAdminPlugin) store(ctx context.Context, user models.User) (done string, err error) {
	if err := rights.Lock(ctx, p.db); err != nil {
		return "", err
	}
	var known models.User
	if err := p.db.WithContext(ctx).Where("email = ?", user.Email).Limit(1).Find(&known).Error; err != nil {
		return "", fmt.Errorf("find user: %w", err)
	}
	if known.ID != "" {
		user.ID = known.ID
		return fmt.Sprintf("the user %s is an administrator now, with the new password; all sessions, keys and linked accounts have ended", user.Email), p.promote(ctx, known, user)
	}
	user.ID, user.CreatedAt = sessions.NewID(), user.PasswordChangedAt
	if err := p.db.WithContext(ctx).Create(&user).Error; err != nil {
		return "", fmt.Errorf("insert user: %w", err)
	}
	if err := giveRoles(ctx, p.db, user.ID, []string{models.Administrator}); err != nil {
		return "", err
	}
	return fmt.Sprintf("created the administrator %s", user.Email), p.bus.Publish(ctx, AdministratorRegistered{ID: user.ID})
}

// promote makes an administrator of a user. Whoever has a session or a key of theirs, a link that was sent to them, or has linked an account of a
// provider to theirs, must not go on with it: the user may do more from now on, and is perhaps made an administrator since somebody had got in.
func (p *CreateAdminPlugin) promote(ctx context.Context, known, user models.User) error {
	changes := map[string]any{"password_hash": user.PasswordHash, "password_changed_at": user.PasswordChangedAt, "disabled_at": nil}
	if user.Name != "" {
		changes["name"] = user.Name
	}
	if err := p.db.WithContext(ctx).Model(&models.User{}).Where("id = ?", known.ID).Updates(changes).Error; err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	for _, way := range []any{&models.Key{}, &models.Identity{}} {
		if err := p.db.WithContext(ctx).Where("user_id = ?", known.ID).Delete(way).Error; err != nil {
			return fmt.Errorf("delete ways in of user: %w", err)
		}
	}
	if err := p.sessions.EndWithPassword(ctx, known.ID, ""); err != nil {
		return err
	}
	if err := p.bus.Publish(ctx, AdministratorMail{Purpose: noticePasswordChanged, Email: known.Email}); err != nil {
		return err
	}
	if known.DisabledAt != nil {
		if err := p.bus.Publish(ctx, AdministratorEnabled{ID: known.ID}); err != nil {
			return err
		}
	}
	return p.giveRole(ctx, known.ID)
}

// giveRole gives a user the role, and announces that unless they have it already.
func (p *CreateAdminPlugin) giveRole(ctx context.Context, userID string) error {
	var has int64
	if err := p.db.WithContext(ctx).Model(&models.UserRole{}).Where("user_id = ? AND role = ?", userID, models.Administrator).Count(&has).Error; err != nil {
		return fmt.Errorf("find roles of user: %w", err)
	}
	if has > 0 {
		return nil
	}
	if err := giveRoles(ctx, p.db, userID, []string{models.Administrator}); err != nil {
		return err
	}
	return p.bus.Publish(ctx, AdministratorRoleGiven{ID: userID})
}
