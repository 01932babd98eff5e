package upgrade

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Note is what a changelog says about a version.
type Note struct {
	// Version is the version, such as "v0.2.0".
	Version string
	// Date is the day of its release, such as "2026-01-31".
	Date string
	// Text is the section without its heading.
	Text string
}

var heading = regexp.MustCompile(`(?m)^## (?:(v\S+) - (\S+)|.*)[ \t]*$`)

// Notes returns the sections of a changelog for the versions after from, up to and including to, the lowest first: the order in
// which what they ask for is done. Their headings have the form "## v0.2.0 - 2026-01-31"; other sections are left out. Without
// from there is no lower bound.
func Notes(changelog, from, to string) ([]Note, error) {
	for i, version := range []string{to, from} {
		if !semver.IsValid(version) && (i == 0 || version != "") {
			return nil, fmt.Errorf("%q is no version, so nothing is known to lie between; give two such as v0.1.0", version)
		}
	}
	var notes []Note
	found := heading.FindAllStringSubmatchIndex(changelog, -1)
	for i, at := range found {
		end := len(changelog)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		if at[2] < 0 {
			continue // another heading
		}
		n := Note{Version: changelog[at[2]:at[3]], Date: changelog[at[4]:at[5]], Text: strings.TrimSpace(changelog[at[1]:end])}
		if semver.IsValid(n.Version) && semver.Compare(n.Version, to) <= 0 && (from == "" || semver.Compare(n.Version, from) > 0) {
			notes = append(notes, n)
		}
	}
	slices.SortFunc(notes, func(a, b Note) int { return semver.Compare(a.Version, b.Version) })
	return notes, nil
}
