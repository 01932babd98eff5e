// Command crash kills the service many times while clients write to it, to find out whether it loses anything.
//
// An oracle then reads the database without the service and says which promises were broken. The command ends with 1 when
// one was. There are two services to kill. The released binary stores, changes and deletes products. The harness service (see
// the folder service) does what the product's domains cannot: transactions that roll back after both their row and their
// event were written, every kind of subscriber with effects that are not idempotent, failures, dead letters and their replay.
// With -replicas several harness services share a Postgres; the command kills, terminates or suspends one after the
// other, and the others must deliver everything that was acked.
//
// The tests of the package use a build with crash points as well. A line of the sources
//
//	//crash:point after outbox row
//
// says where a process may die, or where a mutant of the service makes a mistake that the oracle must find. The comment on
// point in overlay.go says how such a line is written, and the list there which there are. Who moves code moves the line with
// it; who renames a variable that the line names changes the line.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2) //nolint:forbidigo // the command's entry
	case !clean:
		os.Exit(1) //nolint:forbidigo // the command's entry
	}
}

// options are the command's flags.
type options struct {
	trials int
	db     string
	seed   uint64
	what   string
	pause  time.Duration
	keep   bool
	// replicas is how many processes share the database, or 0 for one that is killed trials times; minutes is for how long.
	replicas int
	minutes  float64
	// settings are of the service, "NAME=value".
	settings []string
}

// services are the workloads, by the names of the flag -service.
var services = []string{"plugboard", "harness", "once"} //nolint:gochecknoglobals // a constant

func parse(args []string, output io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&o.trials, "trials", 20, "how often each service is killed")
	flags.IntVar(&o.replicas, "replicas", 0, "run so many replicas of the harness service on one Postgres, of which one is killed, terminated or suspended every few seconds")
	flags.Float64Var(&o.minutes, "minutes", 1, "for how long, with -replicas")
	flags.StringVar(&o.db, "db", "sqlite", "sqlite or postgres; Postgres is the server that TEST_DATABASE_URL names, else one of its own")
	flags.Uint64Var(&o.seed, "seed", 0, "repeats the kills and the requests of an earlier run; 0 means new ones")
	flags.StringVar(&o.what, "service", "all", "plugboard (the released binary), harness, once (the harness with requests that are repeated), or all")
	flags.DurationVar(&o.pause, "pause", 0, "the time between two requests of one of the 8 clients (default 5ms, with -replicas 50ms)")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder with the databases and the logs also when nothing is violated")
	flags.Func("setting", "a setting of the service, NAME=value; may be given several times", func(setting string) error {
		o.settings = append(o.settings, setting)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(rand.Uint32())
	}
	if o.replicas > 0 {
		o.db, o.pause = "postgres", cmp.Or(o.pause, siegePause)
	}
	o.pause = cmp.Or(o.pause, 5*time.Millisecond)
	switch {
	case o.replicas != 0 && (o.replicas < 2 || o.minutes <= 0):
		return o, errReplicas
	case o.db != "sqlite" && o.db != "postgres":
		return o, fmt.Errorf("-db is sqlite or postgres, not %q", o.db)
	case o.what != "all" && !slices.Contains(services, o.what):
		return o, fmt.Errorf("-service is plugboard, harness, once or all, not %q", o.what)
	case o.trials < 1 || o.pause <= 0:
		return o, errors.New("-trials and -pause are positive")
	}
	return o, nil
}

// run carries out the command. It reports whether nothing was violated.
func run(ctx context.Context, args []string, output io.Writer) (clean bool, err error) {
	o, err := parse(args, output)
	if err != nil {
		return false, err
	}
	folder, err := os.MkdirTemp("", "plugboard-crash-")
	if err != nil {
		return false, fmt.Errorf("make a folder: %w", err)
	}
	defer func() {
		if clean && !o.keep {
			_ = os.RemoveAll(folder)
			return
		}
		fmt.Fprintf(output, "databases and logs are in %s\n", folder)
	}()
	b, err := newBuilder(ctx, folder)
	if err != nil {
		return false, err
	}
	place, err := newPlace(ctx, o.db, b.root, folder)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, place.close(context.WithoutCancel(ctx))) }()
	if o.replicas > 0 {
		r, err := o.siege(ctx, b, place, output)
		if err != nil {
			return false, err
		}
		r.print(output, fmt.Sprintf("%d replicas on %s, seed %d", o.replicas, o.db, o.seed))
		return r.clean(), nil
	}
	clean = true
	for _, what := range services {
		if o.what != "all" && o.what != what {
			continue
		}
		r, err := o.campaign(ctx, b, place, what, output)
		if err != nil {
			return false, err
		}
		r.print(output, fmt.Sprintf("%s on %s, seed %d", what, o.db, o.seed))
		clean = clean && r.clean()
	}
	return clean, nil
}

// campaign runs the trials of one service.
func (o options) campaign(ctx context.Context, b *builder, place *place, what string, output io.Writer) (*report, error) {
	fmt.Fprintf(output, "%s on %s: %d trials, seed %d\n", what, o.db, o.trials, o.seed)
	begin := time.Now()
	build := b.service
	if what == "plugboard" {
		build = b.released
	}
	binary, err := build(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(b.folder, what+".log")) //nolint:gosec // in the folder just made
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	defer func() { _ = log.Close() }()
	s := &service{binary: binary, settings: o.settings, log: log}
	if s.database, err = place.database(ctx, what); err != nil {
		return nil, err
	}
	c := campaign{trials: o.trials, seed: o.seed, pause: o.pause, progress: output}
	var w workload
	var finish func() (*report, error)
	switch what {
	case "harness":
		l := newProbeLedger()
		w, finish = l, func() (*report, error) { return finishProbe(ctx, s, l, replayed(s)) }
	case "once":
		l := newOnceLedger()
		w, finish = l, func() (*report, error) { return finishOnce(ctx, s, l) }
	default:
		l := newProductLedger()
		w, finish = l, func() (*report, error) { return finishProducts(ctx, s, l) }
	}
	t, failure := c.run(ctx, s, w)
	r, err := finish()
	if err != nil {
		return nil, errors.Join(failure, err)
	}
	if failure != nil {
		r.violate(unhealthy, "%v", failure)
	}
	r.figure("trials", fmt.Sprintf("%d: %d killed within %s of their start, %d before and %d after they were ready",
		t.trials, t.soon, early, t.starting, t.serving))
	r.figure("time in all", time.Since(begin))
	return r, nil
}
