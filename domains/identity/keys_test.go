package identity_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// calls expects how often the provider has been called since the last time.
func (p *fakeProvider) expect(t *testing.T, calls int) {
	t.Helper()
	require.Equal(t, int64(calls), p.calls.Swap(0))
}

// Nothing is fetched before a token comes, nor for tokens of others; then keys are fetched once, however many ask at a time.
func TestKeysAreFetchedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		_, _, err := authenticate(t, a)
		require.NoError(t, err)
		refused(t, a, token(map[string]any{"iss": "https://other.example.org"}), "is not from this service's identity provider")
		p.expect(t, 0)
		slow(p, time.Second)
		many(100, func() { accepted(t, a, token(nil)) })
		p.expect(t, 2)
	})
}

// slow has the provider's description take a while.
func slow(p *fakeProvider, wait time.Duration) {
	p.mu.Lock()
	answer := p.answers[wellKnow]
	p.mu.Unlock()
	p.answer(wellKnow, func(r *http.Request) (*http.Response, error) {
		app.Sleep(r.Context(), wait)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return answer(r)
	})
}

// many calls do n times at once.
func many(n int, do func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(do)
	}
	all.Wait()
}

// A flood of made-up names leads to one fetch in ten seconds, while good tokens are accepted.
func TestAFloodOfUnknownKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		accepted(t, a, token(nil))
		p.expect(t, 2)
		slow(p, 100*time.Millisecond)
		for second := range 60 {
			madeUp := signed("ES256", fmt.Sprint("made up ", second), other(), nil, claims(nil))
			many(100, func() { refused(t, a, madeUp, "has no valid signature") })
			accepted(t, a, token(nil))
			time.Sleep(time.Second) //nolint:forbidigo // the clock of the bubble
		}
		fetches := p.calls.Swap(0) / 2
		require.GreaterOrEqual(t, fetches, int64(4))
		require.LessOrEqual(t, fetches, int64(6), "one in ten seconds")
	})
}

// A provider that hangs while a flood of made-up names comes holds nobody who has a good token.
func TestAFloodOfUnknownKeysWhileTheProviderHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		accepted(t, a, token(nil))
		time.Sleep(time.Minute) //nolint:forbidigo // the clock of the bubble
		p.answer(wellKnow, hang)
		p.calls.Store(0)
		begin := time.Now()
		many(100, func() { refused(t, a, signed("ES256", "x", other(), nil, claims(nil)), "has no valid signature") })
		require.Equal(t, 4*time.Second, time.Since(begin))
		p.expect(t, 1)
		begin = time.Now()
		accepted(t, a, token(nil))
		require.Zero(t, time.Since(begin))
	})
}

// A new key is found by its name; one that was withdrawn is refused after the refresh.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		accepted(t, a, token(nil))
		p.publish(public("new", &other().PublicKey))
		fresh := func() string { return signed("ES256", "new", other(), nil, claims(nil)) }
		refused(t, a, fresh(), "has no valid signature") // ten seconds after the last fetch
		time.Sleep(10 * time.Second)                     //nolint:forbidigo // the clock of the bubble
		p.calls.Store(0)
		many(10, func() { accepted(t, a, fresh()) })
		p.expect(t, 2)
		refused(t, a, token(nil), "has no valid signature")

		// Without an unknown name, the refresh finds that a key is gone.
		p.publish(public("ec", &ecKey().PublicKey))
		time.Sleep(15*time.Minute - time.Second) //nolint:forbidigo // the clock of the bubble
		accepted(t, a, fresh())
		p.expect(t, 0)
		time.Sleep(time.Second) //nolint:forbidigo // the clock of the bubble
		refused(t, a, fresh(), "has no valid signature")
		accepted(t, a, token(nil))
		p.expect(t, 2)
	})
}

// While old keys are fetched again, only the request that does so waits; a failure changes nothing for a day.
func TestOldKeysDoWhileTheProviderIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		accepted(t, a, token(nil))
		p.answer(keysURL, hang)
		time.Sleep(time.Hour) //nolint:forbidigo // the clock of the bubble
		p.calls.Store(0)
		begin, waited := time.Now(), make(chan time.Duration, 10)
		many(10, func() {
			accepted(t, a, token(nil))
			waited <- time.Since(begin)
		})
		for range 9 {
			require.Zero(t, <-waited)
		}
		require.Equal(t, 4*time.Second, <-waited)
		p.expect(t, 2)

		for time.Since(begin) < 22*time.Hour {
			time.Sleep(time.Hour) //nolint:forbidigo // the clock of the bubble
			accepted(t, a, token(nil))
		}
		time.Sleep(time.Hour) //nolint:forbidigo // the clock of the bubble
		unavailable(t, a, token(nil))
	})
}

// A service whose provider is away answers that nobody can tell, and asks again after 2, 4, 8, 16 and then 30 seconds.
func TestTheProviderIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		p.answer(wellKnow, down)
		for _, seconds := range []int{2, 4, 8, 16, 30, 30} {
			wait := time.Duration(seconds) * time.Second
			many(100, func() { require.Equal(t, wait, unavailable(t, a, token(nil))) })
			p.expect(t, 1)
			time.Sleep(wait - time.Millisecond) //nolint:forbidigo // the clock of the bubble
			require.Equal(t, time.Millisecond, unavailable(t, a, token(nil)))
			p.expect(t, 0)
			time.Sleep(time.Millisecond) //nolint:forbidigo // the clock of the bubble
		}
		p.text(wellKnow, http.StatusOK, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, keysURL))
		accepted(t, a, token(nil))
	})
}

// A provider that hangs holds requests for four seconds, and one whose client leaves not even so long.
func TestTheProviderHangs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{wellKnow, keysURL} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProvider()
				a := p.authenticator()
				p.answer(url, hang)
				begin := time.Now()
				var all sync.WaitGroup
				all.Go(func() { unavailable(t, a, token(nil)) })
				synctest.Wait() // it fetches
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_, err := a.Authenticate(ctx, request(ctx, "Bearer "+token(nil)))
					require.Equal(t, app.Unavailable, app.CodeOf(err))
					require.Equal(t, time.Second, time.Since(begin))
				})
				all.Wait()
				require.Equal(t, 4*time.Second, time.Since(begin))
			})
		})
	}
}

// The request that fetches goes away: the keys come all the same, for those that wait.
func TestAFetchOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		a := p.authenticator()
		slow(p, time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			principal, err := a.Authenticate(ctx, request(ctx, "Bearer "+token(nil)))
			require.NoError(t, err)
			require.NotNil(t, principal)
		})
		synctest.Wait()
		cancel()
		accepted(t, a, token(nil))
		all.Wait()
		p.expect(t, 2)
	})
}

// What a provider must not answer is as if it were away, and nobody else is called.
func TestAnswersOfTheProviderThatAreNotTaken(t *testing.T) {
	t.Parallel()
	discovery := func(text string) func(*fakeProvider) {
		return func(p *fakeProvider) { p.text(wellKnow, http.StatusOK, text) }
	}
	keys := func(text string) func(*fakeProvider) {
		return func(p *fakeProvider) { p.text(keysURL, http.StatusOK, text) }
	}
	elsewhere := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {"https://evil.example.org/"}}, Body: http.NoBody}, nil
	}
	good := string(must(public("ec", &ecKey().PublicKey).MarshalJSON()))
	for name, set := range map[string]func(*fakeProvider){
		"another issuer":         discovery(`{"issuer":"https://evil.example.org","jwks_uri":"` + keysURL + `"}`),
		"issuer with a slash":    discovery(`{"issuer":"` + issuer + `/","jwks_uri":"` + keysURL + `"}`),
		"no keys' URL":           discovery(`{"issuer":"` + issuer + `"}`),
		"keys by http":           discovery(`{"issuer":"` + issuer + `","jwks_uri":"http://keys.example.org/jwks"}`),
		"keys of this machine":   discovery(`{"issuer":"` + issuer + `","jwks_uri":"http://127.0.0.1/jwks"}`),
		"keys of a file":         discovery(`{"issuer":"` + issuer + `","jwks_uri":"file:///etc/passwd"}`),
		"keys by another way":    discovery(`{"issuer":"` + issuer + `","jwks_uri":"ftp://keys.example.org/jwks"}`),
		"keys with a password":   discovery(`{"issuer":"` + issuer + `","jwks_uri":"https://a:b@keys.example.org/jwks"}`),
		"description no JSON":    discovery(`<html>`),
		"description a redirect": func(p *fakeProvider) { p.answer(wellKnow, elsewhere) },
		"keys a redirect":        func(p *fakeProvider) { p.answer(keysURL, elsewhere) },
		"keys gone":              func(p *fakeProvider) { p.text(keysURL, http.StatusNotFound, `{"keys":[`+good+`]}`) },
		"keys of 10 MB":          keys(`{"keys":[` + good + `],"x":"` + strings.Repeat("a", 10<<20) + `"}`),
		"keys and no end": func(p *fakeProvider) {
			p.answer(keysURL, func(*http.Request) (*http.Response, error) {
				body := io.MultiReader(strings.NewReader(`{"keys":[`+good+`]}`), spaces{})
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
			})
		},
		"too many keys":           keys(`{"keys":[` + strings.Repeat(good+",", 100) + good + `]}`),
		"no keys":                 keys(`{"keys":[]}`),
		"no key that is public":   keys(`{"keys":[` + string(must(public("ec", []byte("secret")).MarshalJSON())) + `]}`),
		"no key for signatures":   keys(`{"keys":[` + strings.Replace(good, `"sig"`, `"enc"`, 1) + `]}`),
		"no key that makes sense": keys(`{"keys":[{"kty":"EC","kid":"ec"},{"kty":"new"},7]}`),
		"no JSON":                 keys(`}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProvider()
				for _, url := range []string{
					"https://evil.example.org/", "http://keys.example.org/jwks", "http://127.0.0.1/jwks", "file:///etc/passwd", "ftp://keys.example.org/jwks", "https://a:b@keys.example.org/jwks",
				} {
					p.text(url, http.StatusOK, `{"keys":[`+good+`]}`)
				}
				set(p)
				a := p.authenticator()
				require.Equal(t, 2*time.Second, unavailable(t, a, token(nil)))
				require.LessOrEqual(t, p.calls.Load(), int64(2))
			})
		})
	}
}

// spaces is an io.Reader of spaces without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// Keys that make no sense are left out beside one that does.
func TestOddKeysBesideAGoodOne(t *testing.T) {
	t.Parallel()
	p := newProvider()
	good := string(must(public("ec", &ecKey().PublicKey).MarshalJSON()))
	p.text(keysURL, http.StatusOK, `{"keys":[{"kty":"OKP","crv":"X25519","x":"AA"},{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"},{},`+good+`],"more":1}`)
	accepted(t, p.authenticator(), token(nil))
}
