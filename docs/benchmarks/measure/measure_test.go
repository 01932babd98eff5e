package measure_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"plugboard/docs/benchmarks/measure"
)

func TestSeriesStatistics(t *testing.T) {
	t.Parallel()
	s := measure.Series{4, 1, 3, 2}
	if got := s.Median(); got != 2.5 {
		t.Errorf("median = %v, want 2.5", got)
	}
	if got := s.Quantile(1); got != 4 {
		t.Errorf("largest = %v, want 4", got)
	}
	if got := s.Format(measure.Count); got != "2.50 [1.00–4.00]" {
		t.Errorf("format = %q", got)
	}
	if s[0] != 4 {
		t.Error("a statistic reordered the rounds")
	}
	if got := measure.Ratio(measure.Series{2, 9}, measure.Series{4, 3}); got[0] != 0.5 || got[1] != 3 {
		t.Errorf("ratio = %v, want it round by round", got)
	}
}

func TestMedianInterval(t *testing.T) {
	t.Parallel()
	var s measure.Series
	for i := range 100 {
		s = append(s, float64(99-i))
	}
	if low, high := s.MedianInterval(); low != 39 || high != 60 { // the 40th and the 61st, as tables of the sign test have it
		t.Errorf("interval = %v to %v, want 39 to 60", low, high)
	}
	if low, high := (measure.Series{3, 1, 2}).MedianInterval(); low != 1 || high != 3 {
		t.Errorf("interval of three = %v to %v, want all of it", low, high)
	}
	if low, _ := (measure.Series{}).MedianInterval(); !math.IsNaN(low) {
		t.Errorf("interval of nothing begins at %v", low)
	}
	// Of samples whose median is known, 95 of 100 have it in their interval.
	random, missed := rand.New(rand.NewPCG(1, 2)), 0
	const samples = 1000
	for range samples {
		var sample measure.Series
		for range 200 {
			sample = append(sample, random.ExpFloat64())
		}
		if low, high := sample.MedianInterval(); low > math.Ln2 || high < math.Ln2 {
			missed++
		}
	}
	if missed < samples/50 || missed > samples*7/100 {
		t.Errorf("%d of %d intervals miss the median, want 50", missed, samples)
	}
}

func TestInterleaveTakesTurns(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	side := func(name string, took time.Duration) measure.Side {
		return measure.Side{Name: name, Run: func(_ context.Context, n int) (time.Duration, error) {
			order.WriteString(name)
			return took * time.Duration(n), nil
		}}
	}
	got, err := measure.Interleave(t.Context(), measure.Plan{Rounds: 3, Ops: 10, Warmup: 1}, side("a", 5), side("b", 7))
	if err != nil {
		t.Fatal(err)
	}
	if order.String() != "abab"+"ba"+"ab" {
		t.Errorf("order = %s, want a warm-up of each, then turns whose order alternates", order.String())
	}
	if len(got[0]) != 3 || got[0].Median() != 5 || got[1].Median() != 7 {
		t.Errorf("series = %v, want nanoseconds per operation", got)
	}
}

func TestInterleaveNamesTheFailingSide(t *testing.T) {
	t.Parallel()
	broken := measure.Side{Name: "peer", Run: func(context.Context, int) (time.Duration, error) { return 0, errors.New("no luck") }}
	_, err := measure.Interleave(t.Context(), measure.Plan{Rounds: 1, Ops: 1}, broken)
	if err == nil || err.Error() != "run peer: no luck" {
		t.Errorf("error = %v", err)
	}
}

func TestReportVerdicts(t *testing.T) {
	t.Parallel()
	report := measure.Report{Sections: []measure.Section{{Title: "speed", Findings: []measure.Finding{
		{Name: "good", Value: measure.Series{0.5}, Limit: measure.AtMost(0.7)},
		{Name: "bad", Value: measure.Series{0.5}, Limit: measure.AtLeast(0.8)},
		{Name: "wish", Value: measure.Series{0.5}, Limit: measure.AtLeast(0.8).Aim()},
		{Name: "news", Value: measure.Series{0.5}},
	}}, {Title: "other", Skipped: "no database"}}}
	if got := report.Missed(); len(got) != 1 || got[0] != "speed: bad" {
		t.Errorf("missed = %v", got)
	}
	page := report.Markdown()
	for _, line := range []string{
		"| good | – | – | 0.50 | ≤ 0.70 | pass |", "| bad | – | – | 0.50 | ≥ 0.80 | **miss** |",
		"| wish | – | – | 0.50 | aim ≥ 0.80 | aim missed |", "| news | – | – | 0.50 | – | – |",
		"| other | – | – | **NOT MEASURED**: no database | | |",
	} {
		if !strings.Contains(page, line) {
			t.Errorf("the report lacks %q:\n%s", line, page)
		}
	}
	report.Quick = true
	if report.Missed() != nil || strings.Contains(report.Markdown(), "miss**") {
		t.Error("a quick run gave a verdict")
	}
}
