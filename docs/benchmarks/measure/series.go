// Package measure compares contestants fairly and reports what it found.
//
// Contestants run in turn within one process and one minute (ABAB…), so that what the machine does besides
// hits all of them. A ratio is taken within each round and the median of the rounds is the result; the
// smallest and largest round show the spread.
package measure

import (
	"fmt"
	"math"
	"slices"
)

// Series holds one figure for each round, in the order of the rounds.
type Series []float64

// Median returns the middle figure, NaN when there is none.
func (s Series) Median() float64 { return s.Quantile(0.5) }

// Quantile returns the figure below which the part q (0 to 1) of the series lies, interpolated linearly
// between neighbours; NaN when the series is empty.
func (s Series) Quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(s)
	slices.Sort(sorted)
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// MedianInterval returns the bounds between which the median of what the series is a sample of lies with a probability of 95 %, whatever its
// distribution: two figures of the series, by the sign test (Conover, Practical Nonparametric Statistics, section 3.2). Fewer than six
// figures have no such interval, and their smallest and largest are returned; NaN when there is none.
func (s Series) MedianInterval() (low, high float64) {
	if len(s) == 0 {
		return math.NaN(), math.NaN()
	}
	sorted := slices.Clone(s)
	slices.Sort(sorted)
	const deviations = 1.959964 // of the normal distribution, to both sides, around 95 %
	n := float64(len(s))
	below := max(int(math.Floor((n-deviations*math.Sqrt(n))/2)), 1) //nolint:mnd // half of the figures are below the median
	return sorted[below-1], sorted[len(sorted)-below]
}

// Format writes the median and, in brackets, the first and third quartile; with fewer than eight rounds
// the smallest and the largest figure.
func (s Series) Format(figure func(float64) string) string {
	if len(s) == 1 {
		return figure(s[0])
	}
	low, high := 0.25, 0.75
	if len(s) < 8 {
		low, high = 0, 1
	}
	return fmt.Sprintf("%s [%s–%s]", figure(s.Median()), figure(s.Quantile(low)), figure(s.Quantile(high)))
}

// Ratio divides a by b, round by round.
func Ratio(a, b Series) Series {
	return combine(a, b, func(x, y float64) float64 { return x / y })
}

// Minus subtracts b from a, round by round.
func Minus(a, b Series) Series {
	return combine(a, b, func(x, y float64) float64 { return x - y })
}

// Each applies fn to every figure.
func (s Series) Each(fn func(float64) float64) Series {
	out := make(Series, len(s))
	for i, v := range s {
		out[i] = fn(v)
	}
	return out
}

// PerSecond turns nanoseconds for one operation into operations in a second.
func (s Series) PerSecond() Series { return s.Each(func(ns float64) float64 { return 1e9 / ns }) }

func combine(a, b Series, fn func(x, y float64) float64) Series {
	out := make(Series, min(len(a), len(b)))
	for i := range out {
		out[i] = fn(a[i], b[i])
	}
	return out
}

// Count writes a figure without a unit, with three significant digits or as a whole number.
func Count(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "n/a"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// Nanoseconds writes a duration given in nanoseconds in the unit that suits it.
func Nanoseconds(v float64) string {
	switch {
	case math.Abs(v) < 1e3:
		return Count(v) + " ns"
	case math.Abs(v) < 1e6:
		return Count(v/1e3) + " µs"
	case math.Abs(v) < 1e9:
		return Count(v/1e6) + " ms"
	default:
		return Count(v/1e9) + " s"
	}
}

// Rate writes a figure as so many a second.
func Rate(v float64) string { return Count(v) + "/s" }

// Megabytes writes bytes as MB of a million bytes.
func Megabytes(v float64) string { return Count(v/1e6) + " MB" }
