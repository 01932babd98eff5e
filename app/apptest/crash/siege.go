package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"plugboard/app"
)

// siege runs several replicas on one Postgres while clients write. Every few seconds it kills, terminates or suspends
// one of them, and starts or resumes it again.
type siege struct {
	count    int
	lasts    time.Duration
	seed     uint64
	pause    time.Duration
	progress io.Writer

	service  *service
	replicas []*besieged
	rng      *rand.Rand
	done     blows
}

// besieged is a replica of a siege. Its process is nil while it is down.
type besieged struct {
	*process
	at *beacon
}

// blows counts what was done to the replicas. Long suspensions were longer than the lease.
type blows struct{ killed, terminated, suspended, long int }

const (
	// siegeLease is the lease of the replicas, siegePoll how often they ask the database.
	siegeLease, siegePoll = 5 * time.Second, 100 * time.Millisecond
	// siegeKeys is how many keys the events have.
	siegeKeys = 60
	// siegeCalm is how long the replicas have, after the last blow and the last write, to deliver everything.
	siegeCalm = 30 * time.Second
	// siegePause is the time between two requests of a client, unless -pause says otherwise.
	siegePause = 50 * time.Millisecond
	// minute is how often a line of progress is printed.
	minute = time.Minute
)

// siegeSettings are those of a replica.
func siegeSettings() []string {
	return []string{
		"APP_EVENTS_LEASE=" + siegeLease.String(), "APP_EVENTS_POLL=" + siegePoll.String(), "APP_DATABASE_MAX_CONNS=10",
	}
}

// siege runs a siege on a new database and returns the result of the oracle.
func (o options) siege(ctx context.Context, b *builder, place *place, output io.Writer) (*report, error) {
	binary, err := b.service(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(b.folder, "replicas.log"))
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	defer func() { _ = log.Close() }()
	s := &service{binary: binary, settings: append(siegeSettings(), o.settings...), log: log}
	if s.database, err = place.database(ctx, "replicas"); err != nil {
		return nil, err
	}
	lasts := time.Duration(o.minutes * float64(time.Minute))
	fmt.Fprintf(output, "%d replicas on %s: %s, seed %d\n", o.replicas, o.db, lasts, o.seed)
	return (&siege{count: o.replicas, lasts: lasts, seed: o.seed, pause: o.pause, progress: output, service: s}).run(ctx)
}

// run carries the siege out. The replicas that run at the last blow are the ones that must deliver everything: none is
// started or stopped before that is judged.
func (s *siege) run(ctx context.Context) (*report, error) {
	r, l := newReport(), newProbeLedger()
	l.keys, l.poisonPercent = siegeKeys, 0
	s.rng = rand.New(rand.NewPCG(s.seed, 0))
	defer s.end()
	for range s.count {
		m := &besieged{at: newBeacon()}
		if err := s.start(ctx, m); err != nil {
			return nil, err
		}
		s.replicas = append(s.replicas, m)
	}
	beacons := make([]*beacon, len(s.replicas))
	for i, m := range s.replicas {
		beacons[i] = m.at
	}
	fleet := launch(l, s.seed, s.pause, beacons...)
	failure := s.strike(ctx)
	for _, m := range s.replicas {
		m.at.set("")
	}
	fleet.stop()
	if failure != nil {
		r.violate(unhealthy, "%v", failure)
	}
	return r, s.judge(ctx, r, l)
}

// start starts a replica and tells its clients.
func (s *siege) start(ctx context.Context, m *besieged) error {
	return within(ctx, startLimit, func(ctx context.Context) (err error) {
		if m.process, err = s.service.serve(ctx); err == nil {
			m.at.set(m.url)
		}
		return err
	})
}

// strike deals one blow after the other until the time is up.
func (s *siege) strike(ctx context.Context) error {
	end, next := time.Now().Add(s.lasts), time.Now().Add(minute)
	for time.Now().Before(end) {
		app.Sleep(ctx, s.between(time.Second, 4*time.Second))
		if err := ctx.Err(); err != nil {
			return err
		}
		m := s.replicas[s.rng.IntN(len(s.replicas))]
		if err := s.blow(ctx, m); err != nil {
			return err
		}
		for i, m := range s.replicas {
			if m.ended() {
				return fmt.Errorf("replica %d ended by itself: %w", i+1, orClean(m.err))
			}
		}
		if time.Now().After(next) {
			next = next.Add(minute)
			fmt.Fprintf(s.progress, "  %s left: %s\n", time.Until(end).Round(time.Second), s.done)
		}
	}
	return nil
}

// blow ends a replica and starts it again, or suspends and resumes it.
func (s *siege) blow(ctx context.Context, m *besieged) error {
	kind := s.rng.IntN(3)
	m.at.set("")
	switch kind {
	case 0:
		s.done.killed++
		m.kill()
	case 1:
		s.done.terminated++
		if err := within(ctx, stopLimit, m.stop); err != nil {
			return err
		}
	default:
		return s.suspend(ctx, m)
	}
	app.Sleep(ctx, s.between(0, 3*time.Second))
	return s.start(ctx, m)
}

// suspend stops a replica for a while, at times longer than its lease, and lets it go on.
func (s *siege) suspend(ctx context.Context, m *besieged) error {
	s.done.suspended++
	wait := s.between(time.Second, 2*siegeLease)
	if wait > siegeLease {
		s.done.long++
	}
	if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("suspend a replica: %w", err)
	}
	app.Sleep(ctx, wait)
	if err := m.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("resume a replica: %w", err)
	}
	m.at.set(m.url)
	return nil
}

func (s *siege) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)))
}

// judge waits until everything is delivered, while the replicas run, and compares the tables with the knowledge of the
// clients.
func (s *siege) judge(ctx context.Context, r *report, l *probeLedger) error {
	db, err := openStore(s.service.database)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = db.Close() }()
	begin := time.Now()
	if err := within(ctx, siegeCalm, db.drained); err != nil {
		r.violate(stuck, "%v, %s after the end, while %d replicas run", err, siegeCalm, len(s.replicas))
	}
	r.figure("time to deliver the rest", time.Since(begin))
	r.figure("killed, terminated, suspended", s.done)
	tables, err := readProbe(ctx, db)
	if err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	acked, undone := l.known()
	tables.judge(r, acked, undone)
	for i, m := range s.replicas {
		if m.ended() {
			r.violate(unhealthy, "replica %d ended by itself: %v", i+1, orClean(m.err))
		} else if err := within(ctx, stopLimit, m.stop); err != nil {
			r.violate(unhealthy, "replica %d: %v", i+1, err)
		}
	}
	return nil
}

// end kills what is left.
func (s *siege) end() {
	for _, m := range s.replicas {
		if m.process != nil {
			m.kill()
		}
	}
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// String says what was done.
func (b blows) String() string {
	return fmt.Sprintf("%d killed, %d terminated, %d suspended (%d longer than the lease)", b.killed, b.terminated, b.suspended, b.long)
}

var errReplicas = errors.New("-replicas needs Postgres, at least two of them, and -minutes above 0")
