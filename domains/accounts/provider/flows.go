package provider

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// FlowCookie is the cookie that binds flows to the browser in which they began. Without it, an attacker could begin a sign-in with an account of his own and
// have somebody else's browser end it (login CSRF, RFC 6749, section 10.12). A browser may have several flows, in several tabs.
const FlowCookie = "__Host-flow"

// FlowLifetime is how long somebody may stay with the provider.
const FlowLifetime = 10 * time.Minute

// Flows keeps who was sent to the provider. It is safe for concurrent use. Make it with [NewFlows].
type Flows struct {
	db    *gorm.DB
	clock app.Clock
}

// NewFlows returns the flows in db.
func NewFlows(db *gorm.DB, clock app.Clock) *Flows { return &Flows{db: db, clock: clock} }

// Secrets are those of a new flow, each of 256 random bits.
type Secrets struct {
	// Browser is the value of the cookie [FlowCookie]. State goes to the provider and comes back. Nonce comes back in the ID token.
	// Verifier goes to the provider with the code, and its hash before that.
	Browser, State, Nonce, Verifier string
}

// NewSecrets returns the secrets of a new flow. Browser is the cookie that the browser has already; one that is none of ours is replaced.
func NewSecrets(browser string) Secrets {
	if bits, err := base64.RawURLEncoding.DecodeString(browser); err != nil || len(bits) != sha256.Size {
		browser = random()
	}
	return Secrets{Browser: browser, State: random(), Nonce: random(), Verifier: random()}
}

// random returns 256 random bits as text.
func random() string {
	var bits [sha256.Size]byte
	_, _ = rand.Read(bits[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// Save stores a flow and gives the browser its cookie. UserID is the user to whom the identity is to be linked; nil for a sign-in.
func (f *Flows) Save(ctx context.Context, s Secrets, returnPath string, userID *string) error {
	flow := models.Flow{
		StateHash: hashOf(s.State), BrowserHash: hashOf(s.Browser), Nonce: s.Nonce, Verifier: s.Verifier,
		ReturnPath: returnPath, UserID: userID, ExpiresAt: f.clock.Now().Add(FlowLifetime),
	}
	if err := f.db.WithContext(ctx).Create(&flow).Error; err != nil {
		return fmt.Errorf("insert flow: %w", err)
	}
	return app.SetCookie(ctx, app.Cookie{Name: FlowCookie, Value: s.Browser, MaxAge: FlowLifetime})
}

// Take takes a flow, which can be done once, and by the browser alone in which it began. Otherwise the error is [app.Invalid]; a flow
// that another browser asks for stays.
func (f *Flows) Take(ctx context.Context, state, browser string) (models.Flow, error) {
	var flow models.Flow
	taken := f.db.WithContext(ctx).Clauses(clause.Returning{}).
		Where("state_hash = ? AND browser_hash = ? AND expires_at > ?", hashOf(state), hashOf(browser), f.clock.Now()).Delete(&flow)
	switch {
	case taken.Error != nil:
		return flow, fmt.Errorf("take flow: %w", taken.Error)
	case taken.RowsAffected == 0:
		return flow, app.Errorf(app.Invalid, "the sign-in is not known, is over, or was begun in another browser; begin again")
	}
	return flow, nil
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// longestPath is how long a path may be to which somebody returns, in bytes.
const longestPath = 2000

// ReturnPath returns a path of this host in its proper form, and false for whatever might lead a browser elsewhere: a URL with a host, also in the forms that
// only browsers take for one, such as "/\host" or a "//" that is left when dots or escapes are resolved. It takes ASCII alone; the rest must be escaped.
func ReturnPath(raw string) (string, bool) {
	strange := strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
	if strange || len(raw) > longestPath || !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) || strings.Contains(u.Path, "//") {
		return "", false
	}
	if segments := strings.Split(u.Path, "/"); slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return "", false
	}
	return u.String(), true
}
