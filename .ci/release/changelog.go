package main

import (
	"fmt"
	"regexp"
	"strings"
)

// changelogFile tells users what has changed.
const changelogFile = "CHANGELOG.md"

var unreleased = regexp.MustCompile(`(?m)^## Unreleased[ \t]*$`)

// releaseChangelog gives the entries under the unreleased heading the version's heading, and puts a fresh unreleased heading above.
func releaseChangelog(text, version, today string) (string, error) {
	at := unreleased.FindStringIndex(text)
	if at == nil {
		return "", fmt.Errorf(`%s has no heading "## Unreleased"`, changelogFile)
	}
	entries, _, _ := strings.Cut(text[at[1]:], "\n## ")
	if !strings.Contains(entries, "\n- ") {
		return "", fmt.Errorf(`%s has no entries under "## Unreleased": write what users notice of this version, one "- " for each`, changelogFile)
	}
	if strings.Contains(text, "\n## "+version+" ") {
		return "", fmt.Errorf("%s has a section for %s already", changelogFile, version)
	}
	return text[:at[0]] + "## Unreleased\n\n## " + version + " - " + today + text[at[1]:], nil
}
