// Package edit replaces parts of a text.
package edit

import (
	"bytes"
	"cmp"
	"slices"
)

// Edit replaces the bytes from From up to To, which may be none, by Text.
type Edit struct {
	From, To int
	Text     string
}

// Apply returns the text with all edits, which do not overlap and may be in any order. It leaves text as it is.
func Apply(text []byte, edits []Edit) []byte {
	sorted := slices.SortedStableFunc(slices.Values(edits), func(a, b Edit) int { return cmp.Compare(a.From, b.From) })
	var out bytes.Buffer
	at := 0
	for _, e := range sorted {
		out.Write(text[at:e.From])
		out.WriteString(e.Text)
		at = e.To
	}
	out.Write(text[at:])
	return out.Bytes()
}
