package httpserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// claims serves POST /claims, which answers 410 with the key's id in its message, and 404 without a key.
func claims(t testing.TB) kit {
	return serve(t, func(b *app.Boot) {
		b.POST("/claims", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			if claim := app.CallFrom(ctx).Once.Claim; claim != nil {
				return app.Empty{}, app.Errorf(app.Gone, "%x", claim.ID)
			}
			return app.Empty{}, app.Errorf(app.NotFound, "no key")
		}), app.Idempotent())
	})
}

// claim sends a key and returns the status and the message.
func (k kit) claim(keys ...string) (status int, message string) {
	r := httptest.NewRequest(http.MethodPost, "/claims", http.NoBody)
	r.Header["Idempotency-Key"] = keys
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	_, message, _ = strings.Cut(w.Body.String(), `"error":"`)
	message, _, _ = strings.Cut(message, `"`)
	return w.Code, message
}

func TestOneHeaderNamesARequest(t *testing.T) {
	t.Parallel()
	k := claims(t)
	status, _ := k.claim()
	require.Equal(t, http.StatusNotFound, status)
	status, _ = k.claim("a", "a")
	require.Equal(t, http.StatusBadRequest, status)
	_, a := k.claim("a")
	_, b := k.claim("b")
	require.Len(t, a, 64)
	require.NotEqual(t, a, b)
}

// By RFC 8941 a string is in quotes, and \\ and \" stand for the two characters that have a meaning in it.
var (
	plainKey  = regexp.MustCompile(`^[!#-~][!-~]{0,254}$`)
	quotedKey = regexp.MustCompile(`^"(?:[!#-\[\]-~]|\\["\\]){1,255}"$`)
	escaped   = strings.NewReplacer(`\\`, `\`, `\"`, `"`)
)

// FuzzIdempotencyKey sends any header: it is taken in one of its two forms, which name the same key, or refused.
func FuzzIdempotencyKey(f *testing.F) {
	k := claims(f)
	for _, seed := range []string{"k", `"k"`, `""`, `"`, `"a\"b\\\\"`, `a"b\\`, "a b", `"a";b=1`, "\x7f", "\xff", strings.Repeat("k", 256), `"` + strings.Repeat("k", 255) + `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		status, id := k.claim(header)
		var key string
		switch {
		case plainKey.MatchString(header):
			key = header
		case quotedKey.MatchString(header):
			key = escaped.Replace(header[1 : len(header)-1])
		default:
			require.Equal(t, http.StatusBadRequest, status, "%q", header)
			return
		}
		require.Equal(t, http.StatusGone, status, "%q", header)
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		_, same := k.claim(quoted)
		require.Equal(t, same, id, "%q and %s", header, quoted)
		_, other := k.claim(fmt.Sprintf("%.200sx", strings.TrimPrefix(key, `"`)))
		require.NotEqual(t, other, id)
	})
}
