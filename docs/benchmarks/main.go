// Command benchmarks compares Plugboard with what people would write or use instead, and prints ratios with
// the requirements they are held against.
//
//	go run . [-only name,name] [-quick] [-out file] [-cpuprofile file]
//
// It is a Go module of its own, so that the peers it measures stay out of the service's dependencies. Servers
// listen on loopback alone, databases live in a temporary folder and in schemas of their own, and every load
// is bounded in count and time. It exits with 1 when a requirement is missed and with 2 when a comparison
// broke. Postgres is that of TEST_DATABASE_URL, else the tests' own, which is started when it does not run;
// where there is none, the report says loudly that its comparison was not made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// longest is the time one comparison may take.
const longest = 15 * time.Minute

// comparison is one thing that is measured.
type comparison struct {
	name string
	run  func(ctx context.Context, b *bench) (measure.Section, error)
}

// comparisons lists everything, in the order of the report.
func comparisons() []comparison {
	return []comparison{
		{"json", compareJSON},
		{"start", compareStart},
		{"products", compareProducts},
		{"lists", compareLists},
		{"access", compareAccess},
		{"timing", compareTiming},
		{"footprint", compareFootprint},
		{"volatile", compareVolatile},
		{"durable-sqlite", compareDurableSQLite},
		{"durable-postgres", compareDurablePostgres},
		{"backlog", compareBacklog},
		{"growth", compareGrowth},
		{"plug", comparePlug},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	only := flags.String("only", "", "comparisons to make, separated by commas; all by default")
	quick := flags.Bool("quick", false, "run each comparison for moments, without verdicts")
	out := flags.String("out", "", "file to write the report to as well")
	profile := flags.String("cpuprofile", "", "file to write a CPU profile of this process to")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	endProfile, err := startProfile(*profile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		return 2
	}
	report, err := measureAll(ctx, *only, *quick)
	err = errors.Join(err, endProfile())
	if err == nil {
		err = publish(report, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		return 2
	}
	if missed := report.Missed(); len(missed) > 0 {
		fmt.Fprintf(os.Stderr, "benchmarks: missed: %s\n", strings.Join(missed, "; "))
		return 1
	}
	return 0
}

// startProfile starts a CPU profile and returns what ends it; without a file it does nothing.
func startProfile(file string) (end func() error, err error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("write profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// choose returns the comparisons named in only, or all of them.
func choose(only string) ([]comparison, error) {
	all := comparisons()
	if only == "" {
		return all, nil
	}
	var chosen []comparison
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(c comparison) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("choose comparison: there is no %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// measureAll makes the chosen comparisons. One that breaks does not keep the others from being made.
func measureAll(ctx context.Context, only string, quick bool) (measure.Report, error) {
	report := measure.Report{Machine: measure.ThisMachine(), Quick: quick}
	chosen, err := choose(only)
	if err != nil {
		return report, err
	}
	b, err := newBench(quick)
	if err != nil {
		return report, err
	}
	defer b.close()
	var broken []error
	for _, c := range chosen {
		section, err := measureOne(ctx, b, c)
		report.Sections = append(report.Sections, section)
		if err != nil {
			broken = append(broken, err)
		}
	}
	if len(broken) > 0 {
		fmt.Print(report.Markdown())
	}
	return report, errors.Join(broken...)
}

func measureOne(ctx context.Context, b *bench, c comparison) (measure.Section, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	b.say("%s …", c.name)
	start := time.Now()
	section, err := c.run(ctx, b)
	section.Took = time.Since(start)
	if err != nil {
		section.Skipped = "it broke: " + err.Error()
		return section, fmt.Errorf("compare %s: %w", c.name, err)
	}
	return section, nil
}

func publish(report measure.Report, file string) error {
	page := report.Markdown()
	fmt.Print(page)
	if file == "" {
		return nil
	}
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
