package passwords_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/passwords"
)

// inline runs jobs on the caller's goroutine.
type inline struct{ app.Job }

func (inline) Run(_ context.Context, work func(app.Job) (any, error)) (any, error) {
	return work(job{})
}

type job struct{ app.Job }

func (job) Reserve(int64) error { return nil }

// hasher returns one that works on the caller's goroutine, with the parameters of the service.
func hasher(t *testing.T, settings passwords.Settings) *passwords.Hasher {
	t.Helper()
	h, err := passwords.New(inline{}, settings, passwords.Parameters{})
	require.NoError(t, err)
	return h
}

// Parameters that are incomplete, or that no hash may have, are an error at the start, and not at the first sign-in.
func TestParametersAreChecked(t *testing.T) {
	t.Parallel()
	for _, p := range []passwords.Parameters{{Memory: 47104}, {Memory: 47104, Passes: 1}, {Passes: 1, Lanes: 1}, {Memory: 1 << 20, Passes: 1, Lanes: 1}, {Memory: 64, Passes: 17, Lanes: 1}} {
		_, err := passwords.New(inline{}, passwords.Settings{}, p)
		require.ErrorContains(t, err, "Memory must be from 8 times Lanes to 262144 KiB, Passes and Lanes from 1 to 16", p)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	h, ctx := hasher(t, passwords.Settings{}), apptest.Context(t)
	hash, err := h.Hash(ctx, "correct horse battery staple")
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, hash)
	other, err := h.Hash(ctx, "correct horse battery staple")
	require.NoError(t, err)
	require.NotEqual(t, hash, other, "each hash has a salt of its own")
	for password, want := range map[string]bool{
		"correct horse battery staple": true, "correct horse battery stapl": false, "": false, "Correct horse battery staple": false,
		"correct horse battery staple" + strings.Repeat("x", 100): false, // every byte counts
	} {
		matches, outdated, err := h.Matches(ctx, password, hash)
		require.NoError(t, err)
		require.Equal(t, want, matches, password)
		require.False(t, outdated)
	}
	matches, _, err := h.Matches(ctx, "", "")
	require.NoError(t, err)
	require.False(t, matches, "who has no password signs in with none")
}

// FuzzMatches: a hash that somebody put into the database lets nobody in, and takes neither the machine's memory nor its time.
func FuzzMatches(f *testing.F) {
	for _, hash := range []string{
		"", "x", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA", "$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAA$AAAA",
		"$argon2id$v=19$m=0,t=0,p=0$$", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA", "$2a$10$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64,t=1,p=1,x$AAAA$AAAA",
	} {
		f.Add(hash)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		if matches, _, _ := hasher(t, passwords.Settings{}).Matches(t.Context(), "correct horse battery staple", hash); matches {
			t.Fatalf("%q matches", hash)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"password1234", "Password-1234", "P4ssw0rd!2024", "passwordpassword", "qwertyuiop12", "QWERTYUIOPAS", "111111111111", "121212121212", "abcdefghijkl",
		"987654321098", "!!dragon!!2026", "adalovelace1", "ada.lovelace@example.org", "lovelace2026", "x", strings.Repeat("ä", 257), "nul\x00 in a password", "\xff\xfe not utf-8 text",
	} {
		err := passwords.Check("password", password, "Ada.Lovelace@example.org", "Ada Lovelace", "adalovelace")
		require.Equal(t, app.Invalid, app.CodeOf(err), password)
		require.NotContains(t, err.Error(), password+"\"")
	}
	h := hasher(t, passwords.Settings{Words: []string{"Plugboard", "Lampen-Meier"}})
	for _, password := range []string{"plugboard2026!", "!!Plugboard1", "lampen-meier", "123456lampen"} {
		require.Equal(t, app.Invalid, app.CodeOf(h.Check("password", password, "ada@example.org")), password)
	}
	require.Equal(t, app.Invalid, app.CodeOf(h.Check("password", "adalovelace1", "adalovelace")), "the words given count too")
	require.NoError(t, h.Check("password", "a plugboard has many holes"))
	for _, password := range []string{
		"correct horse battery staple", "seven green lamps", "ich mag Käse und Brot", "пароль из слов и ещё", strings.Repeat("käse ", 51),
		"gT7#kq!vR2pz", "my password is long and odd", "example of lovelace prose",
	} {
		require.NoError(t, passwords.Check("password", password, "ada.lovelace@example.org", "Ada Lovelace"), password)
	}
}
