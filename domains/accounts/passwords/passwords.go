// Package passwords hashes passwords. It also refuses those that everybody tries first.
//
// The hash is argon2id (RFC 9106) with the parameters that the OWASP Password Storage Cheat Sheet gives: 19 MiB, two passes, one lane. It
// takes some 20 ms of a core, on the work pool, so that a flood of sign-ins is refused there and starves no other request.
package passwords

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugboard/app"
	"plugboard/domains/accounts/passwords/argon2id"
)

// Parameters say how much a hash costs.
type Parameters struct {
	// Memory is in KiB, Passes is how often all of it is gone through.
	Memory, Passes uint32
	Lanes          uint8
}

// Current are the parameters of new hashes, unless [New] is given others.
var Current = Parameters{Memory: 19 * 1024, Passes: 2, Lanes: 1} //nolint:gochecknoglobals // a value that is never changed

// Lengths in bytes.
const (
	saltBytes = 16
	hashBytes = 32
)

// Settings are those of passwords. They are settings of the domain accounts.
type Settings struct {
	// Words are what everybody would try first in this service: its own name, those of the organisation and of its products. They are refused
	// as the user's own name is; see [Check].
	Words []string `key:"password_words" default:"" binding:"max=200,dive,min=4,max=100"`
}

// Hasher hashes passwords on the work pool. It is safe for concurrent use. Make it with [New].
type Hasher struct {
	pool    app.Pool
	words   []string
	current Parameters
	// nobody is the hash of no password, for users that do not exist.
	nobody string
}

// New returns a hasher that works on pool. New hashes have the parameters current, or [Current] when they are zero; a hash with others is made anew
// when its user signs in. A service gives others with fx.Supply: dearer ones on faster machines, cheap ones in tests alone. The error is about
// parameters with which no hash can be compared.
func New(pool app.Pool, settings Settings, current Parameters) (*Hasher, error) {
	if current == (Parameters{}) {
		current = Current
	}
	if !current.bearable() {
		return nil, fmt.Errorf("passwords.Parameters %+v: Memory must be from 8 times Lanes to %d KiB, Passes and Lanes from 1 to %d", current, mostMemory, mostPasses)
	}
	zero := make([]byte, hashBytes)
	return &Hasher{pool: pool, words: settings.Words, current: current, nobody: encode(current, zero[:saltBytes], zero)}, nil
}

// Check is the function [Check], with the words of the settings beside those given.
func (h *Hasher) Check(field, password string, words ...string) error {
	return Check(field, password, slices.Concat(words, h.words)...)
}

// Hash returns the hash of a password with a new salt, as a PHC string: "$argon2id$v=19$m=19456,t=2,p=1$salt$hash". The error is
// [app.Unavailable] when the work pool is full.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never fails
	key, err := h.derive(ctx, h.current, password, salt)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return encode(h.current, salt, key), nil
}

// Admits returns nil when there is room for a hash now, and otherwise the error of [Hasher.Hash]; see [app.Admits].
func (h *Hasher) Admits(ctx context.Context) error { return app.Admits(ctx, h.pool) }

// Matches reports whether hash is that of the password. For the hash "", which belongs to a user without a password or to none, it reports false
// after the same work. Outdated is true when the hash matches and should be made anew. The error is [app.Unavailable] when the work pool
// is full.
func (h *Hasher) Matches(ctx context.Context, password, hash string) (matches, outdated bool, err error) {
	if hash == "" {
		hash = h.nobody
	}
	p, salt, want, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	key, err := h.derive(ctx, p, password, salt)
	if err != nil {
		return false, false, fmt.Errorf("compare password: %w", err)
	}
	matches = subtle.ConstantTimeCompare(key, want) == 1
	return matches, matches && p != h.current, nil
}

func (h *Hasher) derive(ctx context.Context, p Parameters, password string, salt []byte) ([]byte, error) {
	return app.Compute(ctx, h.pool, func(job app.Job) ([]byte, error) {
		const kib = 1024
		if err := job.Reserve(int64(p.Memory) * kib); err != nil {
			return nil, err
		}
		return argon2id.Key([]byte(password), salt, p.Passes, p.Memory, p.Lanes, hashBytes), nil
	})
}

func encode(p Parameters, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2id.Version, p.Memory, p.Passes, p.Lanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// errForeign does not say what is in the hash.
var errForeign = errors.New("read password hash: it is not one of argon2id that this service makes")

func decode(hash string) (p Parameters, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	const fields = 6
	if len(parts) != fields || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2id.Version) {
		return p, nil, nil, errForeign
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Passes, &p.Lanes); err != nil || !p.bearable() {
		return p, nil, nil, errForeign
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) == 0 || len(key) != hashBytes {
		return p, nil, nil, errForeign
	}
	return p, salt, key, nil
}

// The most that a hash may cost, in KiB and in passes; there may be as many lanes as passes.
const (
	mostMemory = 256 * 1024
	mostPasses = 16
)

// bearable reports whether a hash with the parameters may be computed: one that somebody put into the database must not take the machine.
func (p Parameters) bearable() bool {
	return p.Memory >= 8*uint32(p.Lanes) && p.Memory <= mostMemory && p.Passes >= 1 && p.Passes <= mostPasses && p.Lanes >= 1 && p.Lanes <= mostPasses
}
