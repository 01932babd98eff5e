package accounts_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"plugboard/app/apptest"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/plugins"
)

const (
	oldPassword = "correct horse battery staple"
	newPassword = "seven green lamps by the river"
)

// pair is two replicas of the service on one database. A file of SQLite belongs to one process, so that there both are the same.
type pair struct {
	street
	a, b          *apptest.App
	administrator *apptest.App // at a
	hash          string       // of oldPassword
}

func openPair(t *testing.T, db apptest.Database) *pair {
	t.Helper()
	quiet := apptest.Setting("APP_LOG_ACCESS", "false") // of thousands of requests
	a := apptest.New(t, db, accounts.Module, quiet)
	b := a
	if db.Dialect == "postgres" {
		b = apptest.New(t, db, accounts.Module, quiet)
	}
	p := &pair{street: newStreet(t, a), a: a, b: b, hash: cheapHash(oldPassword)}
	p.administrator = a.As(bearer(p.session(p.user("root", models.Administrator), nil)))
	return p
}

// cheapHash returns a hash that takes a millisecond to compare: what is tested is not the hash.
func cheapHash(password string) string {
	salt, b64 := []byte("0123456789abcdef"), base64.RawStdEncoding
	return "$argon2id$v=19$m=64,t=1,p=1$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(argon2.IDKey([]byte(password), salt, 1, 64, 1, 32))
}

// victim is a user with two sessions.
type victim struct {
	id string
	// token is of the session that is to end, sessionID its id.
	token, sessionID string
	// self and other are the two sessions at the replica a.
	self, other *apptest.App
}

func (p *pair) victim(round int) victim {
	p.t.Helper()
	id := p.user(fmt.Sprintf("user-%d", round))
	require.NoError(p.t, p.a.DB().Model(&models.User{}).Where("id = ?", id).Update("password_hash", p.hash).Error)
	v := victim{id: id, token: p.session(id, nil)}
	v.self = p.a.As(bearer(v.token))
	v.sessionID = apptest.Data[plugins.MySessionsData](v.self.GET("/accounts/me/sessions").Status(http.StatusOK)).Items[0].ID
	v.other = p.a.As(bearer(p.session(id, nil)))
	return v
}

// revocation is a way in which a session ends before its time.
type revocation struct {
	name   string
	revoke func(p *pair, v victim)
}

// revocations are all of them, done at the replica a.
func revocations() []revocation {
	return []revocation{
		{"signed out", func(_ *pair, v victim) { v.self.POST("/accounts/sign-out", nil).Status(http.StatusNoContent) }},
		{"ended from another session", func(_ *pair, v victim) {
			v.other.DELETE("/accounts/me/sessions/" + v.sessionID).Status(http.StatusNoContent)
		}},
		{"ended with all others", func(_ *pair, v victim) { v.other.DELETE("/accounts/me/sessions").Status(http.StatusNoContent) }},
		{"ended by an administrator", func(p *pair, v victim) {
			p.administrator.POST("/accounts/users/"+v.id+"/sign-out", nil).Status(http.StatusNoContent)
		}},
		{"disabled with its user", func(p *pair, v victim) {
			p.administrator.POST("/accounts/users/"+v.id+"/disable", nil).Status(http.StatusNoContent)
		}},
		{"deleted with its user", func(p *pair, v victim) {
			p.administrator.DELETE("/accounts/users/" + v.id).Status(http.StatusNoContent)
		}},
		{"ended by a new password", func(_ *pair, v victim) {
			v.other.POST("/accounts/me/password", map[string]string{"current": oldPassword, "password": newPassword, "use": "token"}).Status(http.StatusOK)
		}},
	}
}

// load has users make requests at both replicas, all of which must be answered, until the function that it returns is called. That returns how
// many there were.
func (p *pair) load() (end func() int64) {
	const each = 2
	stop := make(chan struct{})
	var all sync.WaitGroup
	var count atomic.Int64
	for i, replica := range []*apptest.App{p.a, p.b} {
		for n := range each {
			user := replica.As(cookie(p.session(p.user(fmt.Sprintf("busy-%d-%d", i, n)), nil)))
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					answer := user.GET("/accounts/me")
					if p.t.Context().Err() != nil { // the test has failed
						return
					}
					if answer.Code != http.StatusOK {
						p.t.Errorf("a session that holds is answered with %d beside the revocations: %s", answer.Code, answer.Body)
						return
					}
					count.Add(1)
				}
			})
		}
	}
	end = sync.OnceValue(func() int64 { close(stop); all.Wait(); return count.Load() })
	p.t.Cleanup(func() { end() })
	return end
}

// A session that one replica has ended is refused by the other from the next request on, however it was ended and however busy both are. There
// are five rounds of each way; with REVOCATIONS_ALL=1, as `make crash/points` sets it, there are a thousand in all.
func TestRevocationsCountInAllReplicas(t *testing.T) {
	t.Parallel()
	rounds := 35
	if os.Getenv("REVOCATIONS_ALL") != "" {
		rounds = 1000
	}
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p, ways := openPair(t, db), revocations()
		end := p.load()
		for round := range rounds {
			way, v := ways[round%len(ways)], p.victim(round)
			there := p.b.As(bearer(v.token))
			there.GET("/accounts/me").Status(http.StatusOK)
			way.revoke(p, v)
			answer := there.GET("/accounts/me")
			require.Equal(t, http.StatusUnauthorized, answer.Code, "round %d: the session was %s: %s", round, way.name, answer.Body)
		}
		t.Logf("%d sessions ended, beside %d other requests", rounds, end())
	})
}
