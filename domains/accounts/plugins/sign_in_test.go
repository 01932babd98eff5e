package plugins_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/sessions"
)

const wrong = "the e-mail address or the password is wrong"

func TestSignIn(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		id := h.register("ada@example.org")

		h.GET("/accounts/me").Fails(app.Unauthorized, "sign in first: the request does not say who makes it").Header("WWW-Authenticate", "Bearer")
		h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Fails(app.Unauthorized, wrong)
		h.POST("/accounts/sign-in", body("email", "bob@example.org", "password", goodPassword)).Fails(app.Unauthorized, wrong)

		// A browser gets cookies, and no token that its scripts could read.
		answer := h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK)
		answer.JSON(`{"success":true,"data":{"user_id":"` + id + `"},"error":null}`)
		c := cookie(t, answer, sessions.SessionCookie)
		require.Regexp(t, `^pbs_[A-Za-z0-9_-]{43}$`, c.Value)
		require.True(t, c.HttpOnly && c.Secure && c.SameSite == http.SameSiteLaxMode && c.Path == "/" && c.Domain == "" && c.MaxAge == 30*24*3600, c)
		device := cookie(t, answer, sessions.DeviceCookie)
		require.True(t, device.HttpOnly && device.Secure && device.SameSite == http.SameSiteLaxMode, device)
		h.withCookie(answer).GET("/accounts/me").Status(http.StatusOK)

		// A program gets the token, and no cookies.
		program := h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword, "use", "token")).Status(http.StatusOK)
		require.Empty(t, program.Head.Values("Set-Cookie"))
		h.with(apptest.Data[plugins.SignInData](program).Token).GET("/accounts/me").Status(http.StatusOK)

		var record []models.SignIn
		require.NoError(t, h.DB().Order("id").Find(&record).Error)
		var outcomes []models.Outcome
		for _, entry := range record {
			outcomes = append(outcomes, entry.Outcome)
			require.Equal(t, "192.0.2.1", entry.Address)
			require.NotEmpty(t, entry.RequestID)
		}
		require.Equal(t, []models.Outcome{models.WrongPassword, models.UnknownUser, models.SignedIn, models.SignedIn}, outcomes)
	})
}

// Of a token only the hash is stored: nothing in the database gives anybody a session.
func TestNoTokenIsStored(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	_, token := h.signIn("ada@example.org", goodPassword)
	var row models.Session
	require.NoError(t, h.DB().First(&row).Error)
	require.Len(t, row.TokenHash, 32)
	for _, guess := range []string{string(row.TokenHash), row.ID, "pbs_" + row.ID, token[4:], token + "x", "pbk_" + token[4:], "pbt_" + token[4:]} {
		refused(t, h.with(guess))
	}
}

// A session ends when it was not used for long, and at the latest after its lifetime.
func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		idle, _ := h.signIn("ada@example.org", goodPassword)
		used, _ := h.signIn("ada@example.org", goodPassword)
		for range 5 {
			h.clock.Advance(6 * 24 * time.Hour)
			if h.clock.Now().Sub(begin) < 30*24*time.Hour {
				used.GET("/accounts/me").Status(http.StatusOK)
			}
		}
		refused(t, used)
		refused(t, idle)
		h.Run("accounts.delete_expired/schedule")
		h.WaitForEvents()
		var left int64
		require.NoError(t, h.DB().Model(&models.Session{}).Count(&left).Error)
		require.Zero(t, left)
	})
}

// The use of a session is noted once a minute, and no more often.
func TestUsesAreNotedToTheMinute(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		spans := apptest.Spans()
		h := open(t, db, spans)
		h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		usedAt := func() time.Time {
			var row models.Session
			require.NoError(t, h.DB().First(&row).Error)
			return row.UsedAt.UTC()
		}
		h.clock.Advance(59 * time.Second)
		h.WaitForEvents()
		statements := len(spans.Ended())
		ada.GET("/accounts/me").Status(http.StatusOK)
		require.Equal(t, begin, usedAt())
		for _, span := range spans.Ended()[statements:] {
			require.NotRegexp(t, "^UPDATE", span.Attributes["db.query.text"])
		}
		h.clock.Advance(time.Second)
		ada.GET("/accounts/me").Status(http.StatusOK)
		require.Equal(t, begin.Add(time.Minute), usedAt())
	})
}

// Cookie and bearer that disagree are refused, as is everything that could be read in two ways.
func TestCredentialsThatDisagree(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	_, one := h.signIn("ada@example.org", goodPassword)
	_, two := h.signIn("ada@example.org", goodPassword)
	with := func(prepare func(r *http.Request)) *apptest.Answer { return h.As(prepare).GET("/accounts/me") }
	bearer := func(r *http.Request, token string) { r.Header.Add("Authorization", "Bearer "+token) }
	set := func(r *http.Request, value string) {
		r.AddCookie(&http.Cookie{Name: sessions.SessionCookie, Value: value})
	}
	with(func(r *http.Request) { bearer(r, one); set(r, one) }).Status(http.StatusOK)
	with(func(r *http.Request) { bearer(r, one); set(r, two) }).Fails(app.Unauthorized, "the cookie and the header Authorization differ; send one of them")
	with(func(r *http.Request) { bearer(r, one); bearer(r, one) }).Fails(app.Unauthorized, "the request has the header Authorization twice")
	with(func(r *http.Request) { set(r, one); set(r, two) }).Fails(app.Unauthorized, "the request has two cookies named __Host-session")
	with(func(r *http.Request) { set(r, "pbk_x") }).Fails(app.Unauthorized, unknownSession) // a key is no cookie
	with(func(r *http.Request) { bearer(r, "") }).Fails(app.Unauthorized, unknownSession)
	with(func(r *http.Request) { r.Header.Set("Authorization", "Basic YTpi") }).Fails(app.Unauthorized, "sign in first: the request does not say who makes it")
	with(func(r *http.Request) { r.URL.RawQuery = "access_token=" + one }).Status(http.StatusUnauthorized)
}

// Guesses at an account from fifty networks are refused after ten, whoever makes them and whether the account exists; the device that was here
// before still signs in, and so does everybody after a while.
func TestGuessesAreThrottled(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db, apptest.Setting("APP_HTTP_TRUSTED_PROXIES", "192.0.2.1"))
		h.register("ada@example.org")
		known := h.withCookie(h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Status(http.StatusOK))
		h.register("eve@example.org")
		other := h.withCookie(h.POST("/accounts/sign-in", body("email", "eve@example.org", "password", goodPassword)).Status(http.StatusOK))
		from := func(network int) *apptest.App {
			as := h.App
			if network%2 == 0 {
				as = other // a device that is known for another account is one of everybody's here
			}
			return as.As(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100."+strconv.Itoa(network)) })
		}
		for _, email := range []string{"ada@example.org", "nobody@example.org"} {
			statuses := map[int]int{}
			for i := range 50 {
				statuses[from(i).POST("/accounts/sign-in", body("email", email, "password", otherPassword)).Code]++
			}
			require.Equal(t, map[int]int{http.StatusUnauthorized: 10, http.StatusTooManyRequests: 40}, statuses, email)
		}
		right := body("email", "ada@example.org", "password", goodPassword)
		refusal := h.POST("/accounts/sign-in", right).Fails(app.TooMany, "too many attempts; try again later")
		require.Equal(t, "300", refusal.Head.Get("Retry-After"))
		known.POST("/accounts/sign-in", right).Status(http.StatusOK)
		for range 10 {
			known.POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Fails(app.Unauthorized, wrong)
		}
		known.POST("/accounts/sign-in", right).Status(http.StatusTooManyRequests) // the device's own guesses count
		h.clock.Advance(5 * time.Minute)
		h.POST("/accounts/sign-in", right).Status(http.StatusOK)
	})
}

// A network that guesses at many accounts is refused, an IPv6 customer as a whole.
func TestNetworksAreThrottled(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t), apptest.Setting("APP_HTTP_TRUSTED_PROXIES", "192.0.2.1"))
	from := func(address string, n int) int {
		as := h.As(func(r *http.Request) { r.Header.Set("X-Forwarded-For", address) })
		return as.POST("/accounts/sign-in", body("email", string(rune('a'+n%26))+string(rune('a'+n/26))+"@example.org", "password", otherPassword)).Code
	}
	for i := range 50 {
		require.Equal(t, http.StatusUnauthorized, from("2001:db8:1:2::"+string(rune('1'+i%9)), i))
	}
	require.Equal(t, http.StatusTooManyRequests, from("2001:db8:1:2:ffff::1", 50))
	require.Equal(t, http.StatusUnauthorized, from("2001:db8:1:3::1", 51))
}

// Guesses at the same time count like guesses one after the other.
func TestParallelGuessesCount(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		var all sync.WaitGroup
		codes := make([]int, 20)
		for i := range codes {
			all.Go(func() {
				codes[i] = h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Code
			})
		}
		all.Wait()
		tried := 0
		for _, code := range codes {
			if code == http.StatusUnauthorized {
				tried++
			}
		}
		require.LessOrEqual(t, tried, 10, codes)
	})
}

func TestADisabledUserDoesNotSignIn(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		id := h.register("ada@example.org")
		ada, _ := h.signIn("ada@example.org", goodPassword)
		require.NoError(t, h.DB().Model(&models.User{}).Where("id = ?", id).Update("disabled_at", begin).Error)
		refused(t, ada)
		h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Fails(app.Unauthorized, wrong)
		h.POST("/accounts/sign-in", body("email", "ada@example.org", "password", goodPassword)).Fails(app.Forbidden, "the account is disabled")
	})
}

// A hash with other parameters is good for a sign-in, and is made anew by it.
func TestHashesAreUpgraded(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t), fx.Replace(passwords.Current))
	id := h.register("ada@example.org")
	weak := weakHash(t, goodPassword)
	require.NoError(t, h.DB().Model(&models.User{}).Where("id = ?", id).Update("password_hash", weak).Error)
	h.signIn("ada@example.org", goodPassword)
	var user models.User
	require.NoError(t, h.DB().First(&user).Error)
	require.Contains(t, user.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$")
	h.signIn("ada@example.org", goodPassword)
}

// Whoever has the right password gets in also when there is no room to make the hash anew; the next sign-in does.
func TestAnUpgradeThatFindsNoRoomWaits(t *testing.T) {
	t.Parallel()
	pool := &fullPool{}
	h := open(t, apptest.SQLite(t), pool.part())
	id, weak := h.register("ada@example.org"), weakHash(t, goodPassword)
	require.NoError(t, h.DB().Model(&models.User{}).Where("id = ?", id).Update("password_hash", weak).Error)
	hash := func() string {
		var user models.User
		require.NoError(t, h.DB().First(&user).Error)
		return user.PasswordHash
	}
	pool.full.Store(true)
	pool.silent.Store(true)
	pool.room.Store(1)
	h.signIn("ada@example.org", goodPassword)
	require.Equal(t, weak, hash())
	pool.full.Store(false)
	h.signIn("ada@example.org", goodPassword)
	require.Contains(t, hash(), "$m=64,t=1,p=1$", "the parameters that the test supplies")
}

// A browser that signs in has one session afterwards: the one that it had is nobody's any more, so it ends. Other devices are not concerned.
func TestASignInEndsTheSessionBefore(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		h.register("ada@example.org")
		elsewhere, _ := h.signIn("ada@example.org", goodPassword)
		right := body("email", "ada@example.org", "password", goodPassword)
		first := h.withCookie(h.POST("/accounts/sign-in", right).Status(http.StatusOK))

		first.POST("/accounts/sign-in", body("email", "ada@example.org", "password", otherPassword)).Fails(app.Unauthorized, wrong)
		first.GET("/accounts/me").Status(http.StatusOK) // a sign-in that fails ends nothing
		second := h.withCookie(first.POST("/accounts/sign-in", right).Status(http.StatusOK))
		refused(t, first)
		second.GET("/accounts/me").Status(http.StatusOK)
		elsewhere.GET("/accounts/me").Status(http.StatusOK)
	})
}

// Nobody is there before somebody registers or the command is run: no service begins with an account whose password is known.
func TestNobodyIsThereAtTheStart(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		for _, table := range []any{&models.User{}, &models.UserRole{}, &models.Session{}, &models.Key{}, &models.Ticket{}} {
			var n int64
			require.NoError(t, h.DB().Model(table).Count(&n).Error)
			require.Zero(t, n, "%T", table)
		}
	})
}

// An unknown user costs the same hash as a wrong password, and so does a user without a password: time does not tell who has an account.
func TestUnknownUsersCostTheSame(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	id := h.register("bob@example.org")
	require.NoError(t, h.DB().Model(&models.User{}).Where("id = ?", id).Update("password_hash", "").Error)
	for _, email := range []string{"ada@example.org", "bob@example.org", "nobody@example.org"} {
		before := h.Metric("plugboard_pool_run_seconds")
		answer := h.POST("/accounts/sign-in", body("email", email, "password", otherPassword)).Fails(app.Unauthorized, wrong)
		require.EqualValues(t, 1, h.Metric("plugboard_pool_run_seconds")-before, email)
		require.Empty(t, answer.Head.Get("Retry-After"))
	}
}

// A password holds until its user changes it, however old it is.
func TestPasswordsDoNotExpire(t *testing.T) {
	t.Parallel()
	h := open(t, apptest.SQLite(t))
	h.register("ada@example.org")
	h.clock.Advance(3 * 365 * 24 * time.Hour)
	h.signIn("ada@example.org", goodPassword)
}

// fullPool is the work pool, until it is full. It says so when it is asked, or only when it gets a job.
type fullPool struct {
	app.Pool

	full, silent atomic.Bool
	room         atomic.Int64 // how many jobs it still takes when it is full
}

// part puts the pool into the place of the service's.
func (p *fullPool) part() fx.Option {
	return fx.Decorate(func(pool app.Pool) app.Pool { p.Pool = pool; return p })
}

var errFull = app.Errorf(app.Unavailable, "too much work is waiting, try again later")

func (p *fullPool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	if p.full.Load() && p.room.Add(-1) < 0 {
		return nil, errFull
	}
	return p.Pool.Run(ctx, work)
}

func (p *fullPool) Refuses(context.Context) error {
	if p.full.Load() && !p.silent.Load() {
		return errFull
	}
	return nil
}

// While the work pool is full, sign-ins are refused before any statement: a flood costs the database nothing. What is refused only later, since
// others were faster, counts for no limit either, so the user gets in afterwards.
func TestSignInsAreRefusedWhileThePoolIsFull(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		spans, pool := apptest.Spans(), &fullPool{}
		h := open(t, db, spans, pool.part())
		h.register("ada@example.org")
		h.WaitForEvents()
		pool.full.Store(true)
		before := len(spans.Ended())
		right := body("email", "ada@example.org", "password", goodPassword)
		h.POST("/accounts/sign-in", right).Fails(app.Unavailable, "too much work is waiting, try again later")
		for _, span := range spans.Ended()[before:] {
			require.Empty(t, span.Attributes["db.query.text"])
		}
		pool.silent.Store(true)
		for range 12 { // more than the account's limit
			h.POST("/accounts/sign-in", right).Fails(app.Unavailable, "too much work is waiting, try again later")
		}
		pool.full.Store(false)
		h.POST("/accounts/sign-in", right).Status(http.StatusOK)
	})
}
