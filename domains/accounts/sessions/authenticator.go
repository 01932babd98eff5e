package sessions

import (
	"context"
	"crypto/sha256"
	"database/sql" //plug:allow imports sql.ErrNoRows is what a row says that is not there
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
		return nil, errUnknown()
	}
}

// What a user may do is the sum of the permissions of their roles.
const (
	permissionsOnSQLite   = `(SELECT group_concat(r.permissions, ' ') FROM accounts_user_roles ur JOIN accounts_roles r ON r.name = ur.role WHERE ur.user_id = u.id)`
	permissionsOnPostgres = `(SELECT string_agg(r.permissions, ' ') FROM accounts_user_roles ur JOIN accounts_roles r ON r.name = ur.role WHERE ur.user_id = u.id)`

	sessionQuery = ` FROM accounts_sessions s JOIN accounts_users u ON u.id = s.user_id WHERE s.token_hash = ?`
	keyQuery     = ` FROM accounts_keys k JOIN accounts_users u ON u.id = k.user_id WHERE k.token_hash = ?`
)

func (s *Store) permissions() string {
	if s.postgres {
		return permissionsOnPostgres
	}
	return permissionsOnSQLite
}

// found is a session as it stands in the database, with the user's right to it.
type found struct {
	principal         app.Principal
	id                string
	usedAt, expiresAt time.Time
	disabled          bool
}

// session returns the principal of a session's token.
func (s *Store) session(ctx context.Context, token string) (*app.Principal, error) {
	f, err := s.recent.get(s.db, sha256.Sum256([]byte(token)), func(hash []byte) (found, error) { return s.read(ctx, hash) })
	now := s.clock.Now()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, errUnknown()
	case err != nil:
		return nil, fmt.Errorf("find session: %w", err)
	case f.disabled || !now.Before(f.expiresAt) || now.Sub(f.usedAt) >= s.settings.Idle:
		return nil, errUnknown()
	}
	s.noteUse(ctx, &models.Session{}, f.id, f.usedAt, now)
	return &f.principal, nil
}

// read reads a session by the hash of its token.
func (s *Store) read(ctx context.Context, hash []byte) (f found, err error) {
	var disabled *time.Time
	var permissions *string
	err = s.db.WithContext(ctx).Raw("SELECT s.id, s.user_id, s.signed_in_at, s.used_at, s.expires_at, u.disabled_at, "+s.permissions()+sessionQuery, hash).
		Row().Scan(&f.id, &f.principal.ID, &f.principal.SignedInAt, &f.usedAt, &f.expiresAt, &disabled, &permissions)
	f.disabled, f.principal.Permissions, f.principal.Credential = disabled != nil, wordsOf(permissions), "session "+f.id
	return f, err
}

// key returns the principal of an API key. It may do what its owner may, within the key's scopes.
func (s *Store) key(ctx context.Context, token string) (*app.Principal, error) {
	var row models.Key
	var used, disabled *time.Time
	var permissions *string
	err := s.db.WithContext(ctx).Raw("SELECT k.id, k.user_id, k.scopes, k.expires_at, k.used_at, u.disabled_at, "+s.permissions()+keyQuery, hashOf(token)).
		Row().Scan(&row.ID, &row.UserID, &row.Scopes, &row.ExpiresAt, &used, &disabled, &permissions)
	now := s.clock.Now()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, errUnknown()
	case err != nil:
		return nil, fmt.Errorf("find key: %w", err)
	case disabled != nil || !now.Before(row.ExpiresAt):
		return nil, errUnknown()
	}
	if used == nil {
		used = new(time.Time)
	}
	s.noteUse(ctx, &models.Key{}, row.ID, *used, now)
	owner := app.Principal{Permissions: wordsOf(permissions)}
	scopes := slices.DeleteFunc(wordsOf(&row.Scopes), func(scope string) bool { return !owner.Can(scope) })
	return &app.Principal{ID: row.UserID, Permissions: scopes, Credential: "key " + row.ID}, nil
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
func wordsOf(text *string) []string {
	if text == nil {
		return nil
	}
	all := strings.Fields(*text)
	slices.Sort(all)
	return slices.Compact(all)
}
