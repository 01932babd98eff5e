package sessions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// Authenticator tells by the session or the API key of a request who makes it. Make it with [NewAuthenticator].
type Authenticator struct{ store *Store }

// NewAuthenticator returns an authenticator that looks into store.
func NewAuthenticator(store *Store) *Authenticator { return &Authenticator{store: store} }

// Schemes implements app.Authenticator.
func (*Authenticator) Schemes() []app.SecurityScheme {
	return []app.SecurityScheme{
		{Name: "bearer", Type: "http", Scheme: "bearer", Description: "The token of a session, or an API key"},
		{Name: "session", Type: "apiKey", In: "cookie", Key: SessionCookie, Description: "The session of a browser"},
	}
}

// Authenticate implements app.Authenticator. It makes one read, none when nothing was written since the last one (see [recent]), and at most one
// write a minute and session, which notes the use.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request) (*app.Principal, error) {
	token, err := tokenOf(r)
	switch {
	case err != nil || token == "":
		return nil, err
	case strings.HasPrefix(token, sessionPrefix):
		return a.store.session(ctx, token)
	case strings.HasPrefix(token, keyPrefix):
		return a.store.key(ctx, token)
	default:
		return nil, Unknown()
	}
}

// The statements return a row for each role of the user, one without a role if there is none. What a user may do is the sum of what the roles
// permit.
const (
	ofUser       = ` LEFT JOIN accounts_user_roles ur ON ur.user_id = u.id LEFT JOIN accounts_roles r ON r.name = ur.role WHERE `
	sessionQuery = `SELECT s.id, s.user_id, s.signed_in_at, s.used_at, s.expires_at, u.disabled_at, r.permissions
		FROM accounts_sessions s JOIN accounts_users u ON u.id = s.user_id` + ofUser + `s.token_hash = ?`
	keyQuery = `SELECT k.id, k.user_id, k.scopes, k.used_at, k.expires_at, u.disabled_at, r.permissions
		FROM accounts_keys k JOIN accounts_users u ON u.id = k.user_id` + ofUser + `k.token_hash = ?`
)

// found is a session as it stands in the database, with the user's right to it.
type found struct {
	principal         app.Principal
	id                string
	usedAt, expiresAt time.Time
	disabled          bool
}

// session returns the principal of a session's token.
func (s *Store) session(ctx context.Context, token string) (*app.Principal, error) {
	f, err := s.recent.get(s.db, sha256.Sum256([]byte(token)), func(hash []byte) (found, error) { return s.readSession(ctx, hash) })
	now := s.clock.Now()
	switch {
	case err != nil:
		return nil, err
	case f.id == "" || f.disabled || !now.Before(f.expiresAt) || now.Sub(f.usedAt) >= s.settings.Idle:
		return nil, Unknown()
	}
	s.noteUse(ctx, &models.Session{}, f.id, f.usedAt, now)
	f.principal.Permissions = slices.Clone(f.principal.Permissions) // whoever changes the slice changes no other request's
	return &f.principal, nil
}

// readSession reads a session by the hash of its token. Without such a session it has no id.
func (s *Store) readSession(ctx context.Context, hash []byte) (f found, err error) {
	permissions := ""
	err = s.eachRole(ctx, sessionQuery, hash, func(scan func(...any) error) error {
		var disabled *time.Time
		var permits *string
		err := scan(&f.id, &f.principal.ID, &f.principal.SignedInAt, &f.usedAt, &f.expiresAt, &disabled, &permits)
		f.disabled, permissions = disabled != nil, joined(permissions, permits)
		return err
	})
	f.principal.Permissions, f.principal.Credential = wordsOf(permissions), credentialOfSession+f.id
	return f, err
}

// key returns the principal of an API key. It may do what its owner may, within the key's scopes.
func (s *Store) key(ctx context.Context, token string) (*app.Principal, error) {
	var row models.Key
	var disabled *time.Time
	owner := ""
	err := s.eachRole(ctx, keyQuery, hashOf(token), func(scan func(...any) error) error {
		var permits *string
		err := scan(&row.ID, &row.UserID, &row.Scopes, &row.UsedAt, &row.ExpiresAt, &disabled, &permits)
		owner = joined(owner, permits)
		return err
	})
	now := s.clock.Now()
	switch {
	case err != nil:
		return nil, err
	case row.ID == "" || disabled != nil || !now.Before(row.ExpiresAt):
		return nil, Unknown()
	}
	if row.UsedAt == nil {
		row.UsedAt = new(time.Time)
	}
	s.noteUse(ctx, &models.Key{}, row.ID, *row.UsedAt, now)
	may := app.Principal{Permissions: wordsOf(owner)}
	scopes := slices.DeleteFunc(wordsOf(row.Scopes), func(scope string) bool { return !may.Can(scope) })
	return &app.Principal{ID: row.UserID, Permissions: scopes, Credential: "key " + row.ID}, nil
}

// eachRole runs a query for the hash of a token, and calls row with the scanner of each row.
func (s *Store) eachRole(ctx context.Context, query string, hash []byte, row func(scan func(...any) error) error) error {
	rows, err := s.db.WithContext(ctx).Raw(query, hash).Rows()
	if err != nil {
		return fmt.Errorf("find session or key: %w", err)
	}
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return fmt.Errorf("read session or key: %w", errors.Join(err, rows.Close()))
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read session or key: %w", err)
	}
	return nil
}

// joined adds the permissions of a role, which may be none, to others.
func joined(permissions string, of *string) string {
	switch {
	case of == nil:
		return permissions
	case permissions == "":
		return *of
	default:
		return permissions + " " + *of
	}
}

// Uses are noted to the minute. Noting one must not hold up the request for long, nor fail it.
const (
	usePrecision = time.Minute
	useTimeout   = 250 * time.Millisecond
)

// noteUse stores that a session or key is used, when the last note is older than a minute. Of several requests at once, one writes.
func (s *Store) noteUse(ctx context.Context, model any, id string, used, now time.Time) {
	if now.Sub(used) < usePrecision {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	defer cancel()
	_ = s.db.WithContext(ctx).Model(model).Where("id = ? AND (used_at IS NULL OR used_at <= ?)", id, now.Add(-usePrecision)).
		Update("used_at", now).Error // the next request notes it
}

// wordsOf returns the words of a text, each once.
func wordsOf(text string) []string {
	all := strings.Fields(text)
	slices.Sort(all)
	return slices.Compact(all)
}
