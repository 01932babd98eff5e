package measure

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Side is one contestant of a comparison.
type Side struct {
	// Name says who it is, in reports and errors.
	Name string
	// Run does n operations and returns the time they took, without preparation.
	Run func(ctx context.Context, n int) (time.Duration, error)
}

// Plan says how much is run.
type Plan struct {
	// Rounds is how often each side runs.
	Rounds int
	// Ops is how many operations a side does in one round.
	Ops int
	// Warmup is how many operations each side does before the first round; 0 for none.
	Warmup int
}

// Interleave runs the sides in turn, plan.Rounds times, and returns for each side, in order, the
// nanoseconds one operation took in each round. Every second round runs in the reverse order, so that no
// side always follows the same other. Garbage is collected before each turn. It ends early when ctx does.
func Interleave(ctx context.Context, plan Plan, sides ...Side) ([]Series, error) {
	out := make([]Series, len(sides))
	for _, side := range sides {
		if err := warm(ctx, side, plan.Warmup); err != nil {
			return nil, err
		}
	}
	for round := range plan.Rounds {
		for turn := range sides {
			i := turn
			if round%2 == 1 {
				i = len(sides) - 1 - turn
			}
			ns, err := runOnce(ctx, sides[i], plan.Ops)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], ns)
		}
	}
	return out, nil
}

func warm(ctx context.Context, side Side, ops int) error {
	if ops == 0 {
		return nil
	}
	_, err := runOnce(ctx, side, ops)
	return err
}

func runOnce(ctx context.Context, side Side, ops int) (float64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("run %s: %w", side.Name, err)
	}
	runtime.GC()
	took, err := side.Run(ctx, ops)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", side.Name, err)
	}
	return float64(took.Nanoseconds()) / float64(ops), nil
}
