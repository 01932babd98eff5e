package httpserver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// counts is a [httpserver.SharedLimits] without a clock: nothing is forgotten.
type counts struct {
	ahead            map[[16]byte]time.Duration
	broken, noReturn bool
}

var errAway = app.Errorf(app.Unavailable, "the limit cannot be checked").Because(errors.New("secret detail"))

// Take implements httpserver.SharedLimits.
func (c *counts) Take(_ context.Context, key [16]byte, interval, full time.Duration) (time.Duration, bool, error) {
	switch {
	case c.broken:
		return 0, false, errAway
	case c.ahead[key]+interval > full:
		return c.ahead[key], false, nil
	default:
		c.ahead[key] += interval
		return c.ahead[key], true, nil
	}
}

// Return implements httpserver.SharedLimits.
func (c *counts) Return(_ context.Context, key [16]byte, interval time.Duration) error {
	if c.noReturn {
		return errAway
	}
	c.ahead[key] -= interval
	return nil
}

// TestALimitThatIsShared: it is counted where all processes count, under one key for one caller, endpoint and limit.
func TestALimitThatIsShared(t *testing.T) {
	t.Parallel()
	boot := func(b *app.Boot) {
		b.GET("/x", app.Handle(who), app.Public(), app.Limit(3, time.Minute, app.PerClient.Shared()))
		b.GET("/mine", app.Handle(who), app.SignedIn(), app.Limit(1, time.Minute, app.PerPrincipal.Shared()))
		b.GET("/other", app.Handle(who), app.SignedIn(), app.Limit(1, time.Minute, app.PerPrincipal.Shared()))
	}
	c := &counts{ahead: map[[16]byte]time.Duration{}}
	one, two := serve(t, boot, somebody), serve(t, boot, somebody)
	require.True(t, one.HasSharedLimits())
	one.ShareLimits(c)
	two.ShareLimits(c)
	require.Equal(t, [3]any{200, `"client";r=2;t=20`, ""}, limited(one.from("10.0.0.1:1", "/x")))
	require.Equal(t, [3]any{200, `"client";r=1;t=40`, ""}, limited(two.from("10.0.0.1:1", "/x")))
	require.Equal(t, [3]any{200, `"client";r=2;t=20`, ""}, limited(two.from("10.0.0.2:1", "/x")))
	require.Equal(t, [3]any{200, `"client";r=0;t=60`, ""}, limited(one.from("10.0.0.1:1", "/x")))
	require.Equal(t, [3]any{429, `"client";r=0;t=60`, "20"}, limited(two.from("10.0.0.1:1", "/x")))
	reader, writer := "Authorization: Bearer reader", "Authorization: Bearer writer"
	require.Equal(t, 200, one.from("10.0.0.1:1", "/mine", reader).Code)
	require.Equal(t, 429, two.from("10.0.0.2:1", "/mine", reader).Code)
	require.Equal(t, 200, two.from("10.0.0.1:1", "/mine", writer).Code)
	require.Equal(t, 200, two.from("10.0.0.1:1", "/other", reader).Code)
	require.Len(t, c.ahead, 5)
}

// TestASharedLimitThatCannotBeAsked: nobody gets in, since nobody knows. What other limits counted is given back.
func TestASharedLimitThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", handle[nothing, app.Empty](), app.Limit(5, time.Hour, app.PerClient.Shared()), app.Limit(1, time.Hour, app.PerClient))
	})
	c := &counts{ahead: map[[16]byte]time.Duration{}, broken: true}
	k.ShareLimits(c)
	for range 3 {
		w := k.do("GET", "/x", "")
		require.Equal(t, [3]any{503, `"client-2";r=1;t=0`, "1"}, limited(w))
		require.Equal(t, `"client";q=5;w=3600, "client-2";q=1;w=3600`, w.Header().Get("RateLimit-Policy"))
		require.NotContains(t, w.Body.String(), "secret")
	}
	require.Equal(t, 3, k.logs.FilterMessage("request failed").Len())
	c.broken = false
	require.Equal(t, [3]any{200, `"client-2";r=0;t=3600, "client";r=4;t=720`, ""}, limited(k.do("GET", "/x", "")))
	require.Equal(t, [3]any{429, `"client-2";r=0;t=3600`, "3600"}, limited(k.do("GET", "/x", "")), "the database is not asked")
	for _, ahead := range c.ahead {
		require.Equal(t, 12*time.Minute, ahead)
	}
}

// TestSharedLimitsGiveBack: a request that one shared limit refuses does not count in another, unless the database cannot take it back.
func TestSharedLimitsGiveBack(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", handle[nothing, app.Empty](), app.Limit(10, time.Hour, app.PerClient.Shared()), app.Limit(1, time.Minute, app.PerClient.Shared()))
	})
	c := &counts{ahead: map[[16]byte]time.Duration{}}
	k.ShareLimits(c)
	require.Equal(t, 200, k.do("GET", "/x", "").Code)
	require.Equal(t, [3]any{429, `"client";r=9;t=360, "client-2";r=0;t=60`, "60"}, limited(k.do("GET", "/x", "")))
	require.Equal(t, [3]any{429, `"client";r=9;t=360, "client-2";r=0;t=60`, "60"}, limited(k.do("GET", "/x", "")))
	c.noReturn = true
	require.Equal(t, [3]any{429, `"client";r=8;t=720, "client-2";r=0;t=60`, "60"}, limited(k.do("GET", "/x", "")))
}

// TestASharedLimitInOneProcess: without a database it counts in memory.
func TestASharedLimitInOneProcess(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", handle[nothing, app.Empty](), app.Limit(1, time.Hour, app.PerClient.Shared()))
	})
	require.Equal(t, 200, k.do("GET", "/x", "").Code)
	require.Equal(t, 429, k.do("GET", "/x", "").Code)
	none := httpserver.New(httpserver.Params{HTTP: benchSettings()})
	require.False(t, none.HasSharedLimits())
}
