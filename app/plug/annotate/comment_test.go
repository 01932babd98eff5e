package annotate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withDoc returns the plugin with another comment above Execute.
func withDoc(doc string) string {
	return strings.Replace(plugin, "// Execute sells a thing. It is gone then.\n", doc, 1)
}

// Whatever the statuses of a hand-written header are, it stays, below the answers that it belongs to.
func TestFilesKeepsHeaders(t *testing.T) {
	t.Parallel()
	text := again(t, withDoc(`// Execute sells a thing.
//
//	@Header	201	{string}	Location	"Where"
//	@Header	429,503	{integer}	Retry-After	"When to ask again"
//	@Header	201,202	{string}	ETag	"Its version"
//	@Header	201,400	{string}	X-Both	"Of both"
//	@Header	401	{string}	WWW-Authenticate	"How"
//	@Header	418	{string}	X-Tea
//	@Header	all	{string}	X-Request-Id	"The id"
//	@Header	default	{string}	X-Default	"The default"
//	@header	201	{string}	X-Lower	"Lower"
//	@Header	nonsense
`))
	compact := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		`// @Success 201 {object} SellThingResponse // @Header 201 {string} Location "Where" // @Header 201 {string} X-Lower "Lower"`,
		`// @Success 202 {object} SellThingResponse // @Header 201,202 {string} ETag "Its version" // @Header all {string} X-Request-Id "The id"`,
		`// @Failure 400,404 {object} app.Failure // @Header 429,503 {integer} Retry-After "When to ask again" // @Header 201,400 {string} X-Both "Of both"`,
		`// @Header 401 {string} WWW-Authenticate "How" // @Header 418 {string} X-Tea // @Header default {string} X-Default "The default"`,
		`// @Header nonsense`,
	} {
		require.Contains(t, compact, want)
	}
}

// A comment between /* and */ is read as one of lines, and stays as it is.
func TestFilesReadsBlockComments(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		"/* Execute sells a thing. It is gone then. */\n",
		"/*\nExecute sells a thing.\nIt is gone then.\n*/\n",
		"/*\n * Execute sells a thing.\n * It is gone then.\n */\n",
	} {
		text := again(t, withDoc(doc))
		require.Contains(t, text, doc+"//\n//\t@ID")
		require.Contains(t, text, "@Summary\t\tSells a thing\n//\t@Description\tIt is gone then.\n")
	}
}

// Of the lines that begin with @, those above the block are annotations when swag knows them; others are prose, such as
// an example. Within the block all are.
func TestFilesLeavesExamplesInProse(t *testing.T) {
	t.Parallel()
	const prose = "// Execute sells a thing. In its configuration one writes\n//\n//\t@retry 3\n//\n// to have it tried again.\n"
	text := again(t, withDoc(prose+"//\n//\t@Deprecated\n//\t@own line\n//\t@x-cost 3\n"))
	require.Contains(t, text, prose+"//\n//\t@ID")
	require.Equal(t, 2, strings.Count(text, "@retry"), "there, and in the description")
	require.Contains(t, strings.Join(strings.Fields(text), " "), `// @Deprecated // @own line // @x-cost 3 // @Router /things/{id} [post]`)
}

// An abbreviation does not end a sentence.
func TestFilesKnowsAbbreviations(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"sells a thing, e.g. a lamp. It is gone then.":    "@Summary\t\tSells a thing, e.g. a lamp\n//\t@Description\tIt is gone then.\n",
		"sells a thing (i.e. A lamp). It is gone then.":   "@Summary\t\tSells a thing (i.e. A lamp)\n//\t@Description\tIt is gone then.\n",
		"sells lamps, chairs etc. at once. Then it ends.": "@Summary\t\tSells lamps, chairs etc. at once\n//\t@Description\tThen it ends.\n",
		"sells lamps, chairs etc. Then it ends.":          "@Summary\t\tSells lamps, chairs etc\n//\t@Description\tThen it ends.\n",
		"sells a thing of e.g.":                           "@Summary\tSells a thing of e.g\n//\t@Tags",
	} {
		require.Contains(t, again(t, withDoc("// Execute "+doc+"\n")), want)
	}
}
