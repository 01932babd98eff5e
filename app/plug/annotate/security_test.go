package annotate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The schemes that are declared stand in the annotations, instead of those written by hand.
func TestFilesNamesSecuritySchemes(t *testing.T) {
	t.Parallel()
	all := routes()
	all[0].Security = []string{"bearer", "key"}
	changed, err := files(write(t, strings.Replace(plugin, "It is gone then.\n", `It is gone then.
//
//	@Security	Token
//	@Deprecated
`, 1)), all)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(changed[file]), "\t", " ")
	require.NotContains(t, text, "Token")
	require.Regexp(t, `(?s)@Deprecated\n// +@Security +bearer\n// +@Security +key\n// +@Router +/things/\{id\} \[post\]`, text)
}
