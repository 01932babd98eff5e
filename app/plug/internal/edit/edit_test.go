package edit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/internal/edit"
)

func TestApply(t *testing.T) {
	t.Parallel()
	text := []byte("one two three")
	edits := []edit.Edit{{From: 8, To: 13, Text: "3"}, {From: 0, To: 0, Text: "a"}, {From: 0, To: 0, Text: "b"}, {From: 3, To: 8}}
	require.Equal(t, "abone3", string(edit.Apply(text, edits)))
	require.Equal(t, "one two three", string(text))
	require.Equal(t, 8, edits[0].From, "the edits keep their order")
	require.Equal(t, "one two three", string(edit.Apply(text, nil)))
}
