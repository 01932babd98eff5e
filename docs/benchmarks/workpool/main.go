// Command workpool measures the decision of docs/adr/0010: what CPU-bound work does to the rest of a service,
// run straight on request goroutines, on pond, on ants, and on Plugboard's pool at several priorities.
//
//		go run ./workpool [-only flood,saturated,handoff,service,signins] [-rounds 3] [-phase 3s]
//
//	  - flood: light requests alone, beside CPU jobs at 0.8 of the capacity, and at three times the capacity;
//	    once with server and client on a core of their own, once with both on all cores.
//	  - saturated: requests that use 0.85 of the server's core and make garbage, beside a flood of jobs; what
//	    a lowered thread costs is the longest pause of the garbage collector.
//	  - handoff: one empty job, submitted and waited for.
//	  - service: GET /products/:id of the service itself beside POST /images/fingerprint, as released, and with the
//	    work run straight on request goroutines. It fails when a requirement is missed. On shared cores the flood is
//	    shown and not held to a limit: most of its wait is for cores that client and server share.
//	  - signins: GET /products/:id beside sign-ins of unknown users from many networks at three times what the pool can hash, server and
//	    client on a core of their own. It fails when a requirement is missed.
//
// Load is open-loop: requests are sent at a fixed rate whatever becomes of earlier ones, and latency counts from
// the time a request was due. Server and client are processes of their own, started from this binary. The variants
// take turns within each round, since the machine may have other work; ratios are taken within a round.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "workpool:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serve(args[1:])
		case "load":
			return sendLoad(args[1:])
		case naive:
			return serveNaive()
		}
	}
	flags := flag.NewFlagSet("workpool", flag.ContinueOnError)
	only := flags.String("only", "flood,saturated,handoff,service,signins", "what to measure, separated by commas")
	rounds := flags.Int("rounds", 3, "how often each variant is measured")
	phase := flags.Duration("phase", 3*time.Second, "how long one load lasts")
	others := flags.Float64("others", 0.08, "the share of the machine that other processes may use during a measurement")
	patience := flags.Duration("patience", 0, "how long to wait and repeat until they use no more; after that everything counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	q := &quiet{limit: *others, patience: *patience}
	l := lab{rounds: *rounds, phase: *phase, spin: calibrate(jobTime), quiet: q}
	experiments := map[string]func() error{"flood": l.flood, "saturated": l.saturated, "handoff": l.handoff, "service": l.protection, "signins": l.signIns}
	for _, name := range strings.Split(*only, ",") {
		experiment, ok := experiments[name]
		if !ok {
			return fmt.Errorf("unknown experiment %q", name)
		}
		if err := experiment(); err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
	}
	fmt.Printf("\n%d measurements were disturbed by other processes\n", q.noisy)
	return nil
}
