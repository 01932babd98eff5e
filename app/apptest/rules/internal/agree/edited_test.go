package agree

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// edited returns an edit that puts a value at a place of the document, or takes away what is there when the value is nil.
func edited(t *testing.T, place, value string) func(root map[string]any) {
	return func(root map[string]any) {
		t.Helper()
		parts := strings.Split(place, " ")
		var parent any = root
		for _, part := range parts[:len(parts)-1] {
			if list, ok := parent.([]any); ok {
				n, err := strconv.Atoi(part)
				require.NoError(t, err)
				parent = list[n]
				continue
			}
			parent = parent.(map[string]any)[part]
			require.NotNil(t, parent, "%s has no %s", place, part)
		}
		object, last := parent.(map[string]any), parts[len(parts)-1]
		if value == "" {
			require.Contains(t, object, last)
			delete(object, last)
			return
		}
		var decoded any
		require.NoError(t, decode(value, &decoded))
		object[last] = decoded
	}
}
