package upgrade_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/upgrade"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	const changelog = `# Changelog

## Unreleased

- Not yet.

## v0.10.0 - 2026-03-01

### Changed, with what to do
- Ten.

## v0.2.0 - 2026-02-01

- Two.

## v0.2.0-rc.1 - 2026-01-31
## v0.9.0 - 2026-02-15

- Nine, out of order.

## About older versions

- Nothing.

## v0.1.0 - 2026-01-01

- One.
`
	ten := upgrade.Note{Version: "v0.10.0", Date: "2026-03-01", Text: "### Changed, with what to do\n- Ten."}
	nine := upgrade.Note{Version: "v0.9.0", Date: "2026-02-15", Text: "- Nine, out of order."}
	two := upgrade.Note{Version: "v0.2.0", Date: "2026-02-01", Text: "- Two."}
	candidate := upgrade.Note{Version: "v0.2.0-rc.1", Date: "2026-01-31"}
	one := upgrade.Note{Version: "v0.1.0", Date: "2026-01-01", Text: "- One."}
	for _, c := range []struct {
		from, to string
		want     []upgrade.Note
	}{
		{"v0.1.0", "v0.10.0", []upgrade.Note{candidate, two, nine, ten}},
		{"v0.2.0", "v0.9.0", []upgrade.Note{nine}},
		{"v0.2.0-rc.1", "v0.2.1-0.20260203000000-abcdefabcdef", []upgrade.Note{two}},
		{"", "v0.1.5", []upgrade.Note{one}},
		{"v0.9.0", "v0.9.0", nil},
		{"v0.10.0", "v0.1.0", nil},
	} {
		notes, err := upgrade.Notes(changelog, c.from, c.to)
		require.NoError(t, err)
		require.Equal(t, c.want, notes, "%s to %s", c.from, c.to)
	}
	for _, versions := range [][2]string{{"(devel)", "v0.1.0"}, {"v0.1.0", ""}, {"", ""}} {
		_, err := upgrade.Notes(changelog, versions[0], versions[1])
		require.ErrorContains(t, err, "is no version")
	}
}
