package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/config"
	"plugboard/docs/benchmarks/measure"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/sessions"
	"plugboard/infra/host"
	"plugboard/infra/host/application"
)

// What compareTiming measures with.
const (
	// mailTime is what one mail takes.
	mailTime = 200 * time.Millisecond
	// afterReset is the pause behind a request to reset, in which the subscriber has looked for the user and has begun to send: what one request
	// leads to is not measured with the next.
	afterReset = 20 * time.Millisecond
)

// compareTiming measures whether the time of an answer tells who has an account.
func compareTiming(ctx context.Context, b *bench) (measure.Section, error) {
	pairs := b.count(1000, 6)
	section := measure.Section{Title: "What the time of an answer tells: unknown users against known ones", Config: []string{
		fmt.Sprintf("One service in this process, over loopback and one kept connection, %d pairs of requests: in each, one for an address that nobody has and one for a user's, in an order that is drawn. Every request has an address and a network (X-Forwarded-For) of its own, so that none meets a limit.", pairs),
		"The result is the farthest bound of the 95 % interval of the median difference (sign test), by the median of the answers. An interval that is wider than the limit is a miss too: then the machine was too busy to tell.",
		"The pairs judged are the half that took the least time, both answers together: the others have waited for something else that the machine did. That choice favours neither answer of a pair. The interval of all pairs is shown beside it.",
		fmt.Sprintf("A sign-in is refused after a hash of some 20 to 40 ms. A reset is answered in about a millisecond, most of it a commit, so that 5 %% are some 50 µs, which is what a quiet machine resolves; what it must not show is a mail, which takes the mailer of this run %s.", mailTime),
	}}
	dir, err := b.folder("timing")
	if err != nil {
		return section, err
	}
	section.Findings, err = timeAnswers(ctx, "SQLite", "sqlite:"+filepath.Join(dir, "timing.db"), pairs)
	if err != nil {
		return section, err
	}
	err = b.onPostgres(ctx, &section, "on Postgres: there is none: ", func(pg *postgres) ([]measure.Finding, error) {
		url, err := pg.schema(ctx, "timing")
		if err != nil {
			return nil, err
		}
		return timeAnswers(ctx, "Postgres", url, pairs)
	})
	return section, err
}

// timeAnswers measures sign-ins and resets on a database.
func timeAnswers(ctx context.Context, on, url string, pairs int) (findings []measure.Finding, err error) {
	const warmup = 5
	service, err := startAccounts(ctx, url, pairs+warmup)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, service.Stop(ctx)) }()
	clients, err := load{addr: service.Addr(), conns: 1}.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer closeAll(clients)
	for _, asked := range []probe{
		{path: "/accounts/sign-in", more: `,"password":"seven green lamps by the river"`, status: http.StatusUnauthorized, most: 0.02},
		{path: "/accounts/reset", status: http.StatusAccepted, pause: afterReset, most: 0.05},
	} {
		asked.client, asked.random = clients[0], rand.New(rand.NewPCG(1, 2))
		if _, _, err := asked.pairs(ctx, pairs, warmup); err != nil {
			return nil, err
		}
		unknown, known, err := asked.pairs(ctx, 0, pairs)
		if err != nil {
			return nil, err
		}
		findings = append(findings, asked.finding(on, unknown, known))
	}
	return findings, nil
}

// startAccounts starts a service with users, all of whom have one password, and with a slow mailer.
func startAccounts(ctx context.Context, url string, users int) (*application.App, error) {
	cfg := config.Default()
	cfg.Database.URL, cfg.HTTP.Addr, cfg.Ops.Addr, cfg.Log.Level, cfg.Log.Access = url, "127.0.0.1:0", "off", "error", false
	cfg.HTTP.TrustedProxies = []string{"127.0.0.1"}
	var pool app.Pool
	service, err := application.New(cfg, fx.Options(host.Infra, accounts.Module,
		fx.Decorate(func(app.Mailer) app.Mailer { return slowMailer{} })), application.With(fx.Populate(&pool)))
	if err != nil {
		return nil, fmt.Errorf("put service together: %w", err)
	}
	if err := service.Start(ctx); err != nil {
		return nil, fmt.Errorf("start service: %w", err)
	}
	hasher, err := passwords.New(pool, passwords.Settings{}, passwords.Parameters{})
	if err != nil {
		return nil, errors.Join(err, service.Stop(ctx))
	}
	hash, err := hasher.Hash(ctx, "correct horse battery staple")
	if err != nil {
		return nil, errors.Join(err, service.Stop(ctx))
	}
	now := time.Now().UTC()
	all := make([]models.User, users)
	for i := range all {
		all[i] = models.User{ID: sessions.NewID(), Email: address("known", i), PasswordHash: hash, PasswordChangedAt: now, CreatedAt: now}
	}
	const batch = 100
	if err := service.DB().Gorm().WithContext(ctx).CreateInBatches(all, batch).Error; err != nil {
		return nil, errors.Join(fmt.Errorf("store users: %w", err), service.Stop(ctx))
	}
	return service, nil
}

// slowMailer is a mailer that takes its time, and sends nothing.
type slowMailer struct{}

// Send implements app.Mailer.
func (slowMailer) Send(ctx context.Context, _ app.Mail) error {
	select {
	case <-time.After(mailTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// address returns the i-th address of a kind. Those of "known" and "never" are equally long.
func address(kind string, i int) string { return fmt.Sprintf("%s-%06d@example.org", kind, i) }

// probe is a kind of request whose time is measured.
type probe struct {
	path   string
	more   string // members of the body beside the address
	status int
	pause  time.Duration // behind each request
	most   float64       // of the median, which the difference may be
	client *client
	random *rand.Rand
	sent   int
}

// pairs sends the pairs from first on, and returns the nanoseconds of the answers.
func (p *probe) pairs(ctx context.Context, first, count int) (unknown, known measure.Series, err error) {
	for i := first; i < first+count; i++ {
		var took [2]float64
		kinds, turn := [2]string{"never", "known"}, p.random.IntN(2)
		for range kinds {
			if took[turn], err = p.ask(ctx, address(kinds[turn], i)); err != nil {
				return nil, nil, err
			}
			turn = 1 - turn
		}
		unknown, known = append(unknown, took[0]), append(known, took[1])
	}
	return unknown, known, nil
}

// ask sends a request about an address, from a network of its own, and returns the nanoseconds until the answer.
func (p *probe) ask(ctx context.Context, email string) (float64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p.sent++
	request := post(p.path, []byte(`{"email":"`+email+`"`+p.more+`}`))
	from := fmt.Sprintf("\r\nX-Forwarded-For: 10.%d.%d.%d\r\n", p.sent>>16, p.sent>>8&0xff, p.sent&0xff) //nolint:mnd // the bytes of an address
	request = []byte(strings.Replace(string(request), "\r\n", from, 1))
	runtime.GC() // a hash leaves so much garbage that otherwise one request of each pair would pay for both
	start := time.Now()
	status, err := p.client.do(request)
	took := time.Since(start)
	if err == nil && status != p.status {
		err = fmt.Errorf("got status %d, want %d", status, p.status)
	}
	if err != nil {
		return 0, fmt.Errorf("post to %s: %w", p.path, err)
	}
	select {
	case <-time.After(p.pause):
		return float64(took.Nanoseconds()), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// finding compares the times.
func (p *probe) finding(on string, unknown, known measure.Series) measure.Finding {
	quickUnknown, quickKnown := quickerHalf(unknown, known)
	difference := measure.Minus(quickUnknown, quickKnown)
	low, high := difference.MedianInterval()
	median := slices.Concat(quickUnknown, quickKnown).Median()
	allLow, allHigh := measure.Minus(unknown, known).MedianInterval()
	return measure.Finding{
		Name: "POST " + p.path + ", " + on + ": unknown − known user, farthest bound of the 95 % interval",
		Ours: fmt.Sprintf("%s; difference %s [%s to %s], of all pairs [%s to %s]", quickUnknown.Format(measure.Nanoseconds), measure.Nanoseconds(difference.Median()),
			measure.Nanoseconds(low), measure.Nanoseconds(high), measure.Nanoseconds(allLow), measure.Nanoseconds(allHigh)),
		Peer:  quickKnown.Format(measure.Nanoseconds),
		Value: measure.Series{max(math.Abs(low), math.Abs(high)) / median}, Figure: percent, Limit: measure.AtMost(p.most),
	}
}

// quickerHalf returns the pairs whose sum is at most the median of the sums.
func quickerHalf(a, b measure.Series) (quickA, quickB measure.Series) {
	sums := make(measure.Series, len(a))
	for i := range sums {
		sums[i] = a[i] + b[i]
	}
	most := sums.Median()
	for i, sum := range sums {
		if sum <= most {
			quickA, quickB = append(quickA, a[i]), append(quickB, b[i])
		}
	}
	return quickA, quickB
}

// percent writes a part of one.
func percent(v float64) string { return measure.Count(100*v) + " %" } //nolint:mnd // in a whole
