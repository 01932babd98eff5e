// Package sessions keeps who is signed in.
//
// There are sessions, API keys, the tickets that are sent by mail, and the devices that were here before.
// A token is 256 random bits. The database has its SHA-256 alone, so whoever reads the database gets no session. A session is looked
// up at each request, in one statement: what is revoked is refused from the next request on, by every replica.
package sessions

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// Settings are those of sessions. They are settings of the domain accounts.
type Settings struct {
	// Lifetime is how long a session lasts at most.
	Lifetime time.Duration `key:"session_lifetime" default:"720h" binding:"min=1m,max=8760h"`
	// Idle is how long a session lasts that is not used.
	Idle time.Duration `key:"session_idle" default:"168h" binding:"min=1m,max=8760h"`
}

// Store keeps sessions. It is safe for concurrent use. Make it with [New].
type Store struct {
	db       *gorm.DB
	clock    app.Clock
	settings Settings
	recent   recent
}

// New returns a store in db.
func New(db *gorm.DB, clock app.Clock, settings Settings) *Store {
	return &Store{db: db, clock: clock, settings: settings}
}

// NewID returns an id for a row: a UUIDv7.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Client is who signs in, for the list of sessions and the record of sign-ins.
type Client struct {
	// Address is the network address, UserAgent the header of that name.
	Address, UserAgent string
}

// ClientOf returns the client of the request that ctx belongs to.
func ClientOf(ctx context.Context, userAgent string) Client {
	const longest = 256
	if len(userAgent) > longest {
		userAgent = userAgent[:longest]
	}
	return Client{Address: app.ClientAddress(ctx), UserAgent: printable(userAgent)}
}

// printable keeps what a terminal or a page shows as it stands: no control characters, and none that turn the direction of a text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// Start stores a new session of a user, who has just proved who they are, and returns its token. It is called in the transaction of the
// sign-in.
func (s *Store) Start(ctx context.Context, userID string, client Client) (token string, err error) {
	return s.StartAt(ctx, userID, client, s.clock.Now())
}

// StartAt is Start for a user who proved at signedInAt who they are, to an identity provider for example. Zero is for a time that nobody knows:
// with such a session endpoints with [app.Fresh] are refused.
func (s *Store) StartAt(ctx context.Context, userID string, client Client, signedInAt time.Time) (token string, err error) {
	token, now := newToken(sessionPrefix), s.clock.Now()
	session := models.Session{
		ID: NewID(), UserID: userID, TokenHash: hashOf(token), SignedInAt: signedInAt, UsedAt: now, ExpiresAt: now.Add(s.settings.Lifetime),
		Address: client.Address, UserAgent: client.UserAgent,
	}
	if err := s.db.WithContext(ctx).Create(&session).Error; err != nil {
		return "", fmt.Errorf("insert session: %w", err)
	}
	kept := s.db.WithContext(ctx).Model(&models.Session{}).Select("id").Where("user_id = ?", userID).Order("id DESC").Limit(mostSessions)
	if err := s.db.WithContext(ctx).Where("user_id = ? AND id NOT IN (?)", userID, kept).Delete(&models.Session{}).Error; err != nil {
		return "", fmt.Errorf("end the oldest sessions: %w", err)
	}
	return token, nil
}

// A user has at most so many sessions, and so many devices that are known. It is more than any person has: signing in again and again must not
// fill the database, nor make an endless list. Of more, the oldest end.
const (
	mostSessions = 1000
	mostDevices  = 100
)

// List returns the sessions of a user that hold, the latest sign-in first.
func (s *Store) List(ctx context.Context, userID string) ([]models.Session, error) {
	var all []models.Session
	now := s.clock.Now()
	err := s.db.WithContext(ctx).Where("user_id = ? AND expires_at > ? AND used_at > ?", userID, now, now.Add(-s.settings.Idle)).
		Order("id DESC").Find(&all).Error
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return all, nil
}

// End ends a session of a user, and reports whether there was one.
func (s *Store) End(ctx context.Context, userID, sessionID string) (bool, error) {
	deleted := s.db.WithContext(ctx).Where("id = ? AND user_id = ?", sessionID, userID).Delete(&models.Session{})
	if deleted.Error != nil {
		return false, fmt.Errorf("delete session: %w", deleted.Error)
	}
	return deleted.RowsAffected > 0, nil
}

// EndAll ends all sessions of a user but the one named, which may be "". Whoever asked in one of them for another address does not get it: links
// for that lead nowhere from then on.
func (s *Store) EndAll(ctx context.Context, userID, but string) error {
	if err := s.db.WithContext(ctx).Where("user_id = ? AND id <> ?", userID, but).Delete(&models.Session{}).Error; err != nil {
		return fmt.Errorf("delete sessions: %w", err)
	}
	return s.DropEmailChanges(ctx, userID)
}

// EndWithPassword ends what an old password has led to: all sessions of a user, the links in mailboxes, and the devices that are known but the one
// with the token, which may be "". Whoever knew the password could go on guessing with a device. It is called in the transaction that
// stores the new password.
func (s *Store) EndWithPassword(ctx context.Context, userID, device string) error {
	if err := s.EndAll(ctx, userID, ""); err != nil {
		return err
	}
	if err := s.db.WithContext(ctx).Where("user_id = ?", userID).Delete(&models.Ticket{}).Error; err != nil {
		return fmt.Errorf("delete tickets: %w", err)
	}
	return s.Forget(ctx, userID, device)
}

// DropEmailChanges deletes the tickets with which a user gets another address.
func (s *Store) DropEmailChanges(ctx context.Context, userID string) error {
	err := s.db.WithContext(ctx).Where("user_id = ? AND purpose = ?", userID, models.ChangeEmail).Delete(&models.Ticket{}).Error
	if err != nil {
		return fmt.Errorf("delete tickets: %w", err)
	}
	return nil
}

// EndBefore ends the session whose token a browser has sent with a sign-in, since it gets another one. Without such a session there is nothing to
// do. It is called in the transaction of the sign-in.
func (s *Store) EndBefore(ctx context.Context, token string) error {
	if err := s.db.WithContext(ctx).Where("token_hash = ?", hashOf(token)).Delete(&models.Session{}).Error; err != nil {
		return fmt.Errorf("delete session before: %w", err)
	}
	return nil
}

// Holding reports whether a session of a user is there still.
func (s *Store) Holding(ctx context.Context, userID, sessionID string) (bool, error) {
	var n int64
	if err := s.db.WithContext(ctx).Model(&models.Session{}).Where("id = ? AND user_id = ?", sessionID, userID).Count(&n).Error; err != nil {
		return false, fmt.Errorf("find session: %w", err)
	}
	return n > 0, nil
}

// Forget forgets the devices of a user, but the one with the token, which may be "".
func (s *Store) Forget(ctx context.Context, userID, but string) error {
	if err := s.db.WithContext(ctx).Where("user_id = ? AND token_hash <> ?", userID, hashOf(but)).Delete(&models.Device{}).Error; err != nil {
		return fmt.Errorf("delete devices: %w", err)
	}
	return nil
}

// Knows reports whether the user has signed in from the device with the token before.
func (s *Store) Knows(ctx context.Context, userID, device string) (bool, error) {
	var n int64
	err := s.db.WithContext(ctx).Model(&models.Device{}).Where("token_hash = ? AND user_id = ?", hashOf(device), userID).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("find device: %w", err)
	}
	return n > 0, nil
}

// DeviceLifetime is how long a device is known after its last sign-in.
const DeviceLifetime = 180 * 24 * time.Hour

// Remember stores that the user has signed in from a device, and gives the browser its cookie. Device is the token that the browser sent; a
// known one is used again. It is called in the transaction of the sign-in.
func (s *Store) Remember(ctx context.Context, userID, device string) error {
	now := s.clock.Now()
	used := s.db.WithContext(ctx).Model(&models.Device{}).Where("token_hash = ? AND user_id = ?", hashOf(device), userID).Update("used_at", now)
	if used.Error != nil {
		return fmt.Errorf("update device: %w", used.Error)
	}
	if used.RowsAffected == 0 {
		device = newToken(devicePrefix)
		if err := s.db.WithContext(ctx).Create(&models.Device{TokenHash: hashOf(device), UserID: userID, UsedAt: now}).Error; err != nil {
			return fmt.Errorf("insert device: %w", err)
		}
		kept := s.db.WithContext(ctx).Model(&models.Device{}).Select("token_hash").Where("user_id = ?", userID).Order("used_at DESC, token_hash").Limit(mostDevices)
		if err := s.db.WithContext(ctx).Where("user_id = ? AND token_hash NOT IN (?)", userID, kept).Delete(&models.Device{}).Error; err != nil {
			return fmt.Errorf("forget the oldest devices: %w", err)
		}
	}
	return app.SetCookie(ctx, app.Cookie{Name: DeviceCookie, Value: device, MaxAge: DeviceLifetime})
}

// NewKey stores an API key of a user and returns it. It is shown this once. Scopes are permissions, separated by spaces.
func (s *Store) NewKey(ctx context.Context, key models.Key) (models.Key, string, error) {
	token := newToken(keyPrefix)
	key.ID, key.TokenHash, key.CreatedAt = NewID(), hashOf(token), s.clock.Now()
	if err := s.db.WithContext(ctx).Create(&key).Error; err != nil {
		return key, "", fmt.Errorf("insert key: %w", err)
	}
	return key, token, nil
}

// NewTicket stores a ticket and returns its token.
func (s *Store) NewTicket(ctx context.Context, ticket models.Ticket, lifetime time.Duration) (string, error) {
	token := newToken(ticketPrefix)
	ticket.ID, ticket.TokenHash, ticket.CreatedAt = NewID(), hashOf(token), s.clock.Now()
	ticket.ExpiresAt = ticket.CreatedAt.Add(lifetime)
	if err := s.db.WithContext(ctx).Create(&ticket).Error; err != nil {
		return "", fmt.Errorf("insert ticket: %w", err)
	}
	return token, nil
}

// Holds returns nil when there is such a ticket, and otherwise the error that [Store.Use] returns. Ask before work that costs much.
func (s *Store) Holds(ctx context.Context, purpose models.Purpose, token string) error {
	_, err := s.find(ctx, purpose, token)
	return err
}

func errUsed() error {
	return app.Violations{{Field: "token", Rule: "link", Message: "is not known, is over, or was used; ask for a new one"}}
}

func (s *Store) find(ctx context.Context, purpose models.Purpose, token string) (ticket models.Ticket, err error) {
	found := s.db.WithContext(ctx).Where("token_hash = ? AND purpose = ? AND expires_at > ?", hashOf(token), purpose, s.clock.Now()).Limit(1).Find(&ticket)
	switch {
	case found.Error != nil:
		return ticket, fmt.Errorf("find ticket: %w", found.Error)
	case found.RowsAffected == 0:
		return ticket, errUsed()
	}
	return ticket, nil
}

// Use takes a ticket, and all others of its purpose and address: what was asked for is done once. It must be called in the transaction of what
// the ticket is for. The error is [app.Invalid] when the ticket is not known, is over, or has been used.
func (s *Store) Use(ctx context.Context, purpose models.Purpose, token string) (models.Ticket, error) {
	ticket, err := s.find(ctx, purpose, token)
	if err != nil {
		return ticket, err
	}
	deleted := s.db.WithContext(ctx).Where("id = ?", ticket.ID).Delete(&models.Ticket{})
	if deleted.Error != nil {
		return ticket, fmt.Errorf("delete ticket: %w", deleted.Error)
	}
	if deleted.RowsAffected == 0 { // somebody else was faster
		return ticket, errUsed()
	}
	err = s.db.WithContext(ctx).Where("purpose = ? AND email = ?", purpose, ticket.Email).Delete(&models.Ticket{}).Error
	if err != nil {
		return ticket, fmt.Errorf("delete tickets: %w", err)
	}
	return ticket, nil
}
