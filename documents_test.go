package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var inlineCode = regexp.MustCompile("`([^`]+)`")

// What the table of the five points shows of our Go stands in the plugin that it is about.
func TestFivePoints(t *testing.T) {
	t.Parallel()
	plugin := read(t, repository(), "domains/products/plugins/create_product.go")
	points := 0
	for line := range strings.Lines(read(t, repository(), "docs/writing-a-plugin.md")) {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || !regexp.MustCompile(`^\| [1-5]\. `).MatchString(cells[0]) {
			continue
		}
		points++
		codes := inlineCode.FindAllStringSubmatch(cells[2], -1)
		require.NotEmpty(t, codes, line)
		for _, code := range codes {
			require.Contains(t, plugin, code[1])
		}
	}
	require.Equal(t, 5, points)
}

// The customer's page is about 55 lines; the plugin that follows it step for step stays near it.
func TestCreateProductFitsOnAPage(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(read(t, repository(), "domains/products/plugins/create_product.go")), "\n")
	count := 0
	for _, line := range lines {
		if line != "//" && !strings.HasPrefix(line, "//\t@") {
			count++
		}
	}
	require.LessOrEqual(t, count, 90)
	t.Logf("%d lines", count)
}
