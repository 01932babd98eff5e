package site_test

import (
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// before is a commit of the host that services were cloned from, when they could not require it yet.
const before = "c0e51dadb5c2fcd8def67bbd2783f8bd287ea53c"

// fromAClone turns a clone of before, with two domains of its own beside four as they were, into a service
// that requires the host. The clone is made from this repository's history; where that is not there, nothing is tried.
func (h *host) fromAClone() {
	t := h.T
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	if exec.CommandContext(t.Context(), "git", "-C", root, "cat-file", "-e", before+"^{commit}").Run() != nil {
		t.Log("this repository has no history, so no clone of an older version was tried")
		return
	}
	s := h.service()
	s.Must("git clone -q --no-checkout " + root + " .")
	s.Must("git checkout -q -b mine " + before)
	s.Must("go tool plug new orders/place_order")
	s.Must("go tool plug new billing/note_sale --kind subscriber --topic product.created")
	s.Must("git add -A")
	s.Must("git -c user.name=a -c user.email=a@example.org commit -q -m ours")

	output := s.Must("go run " + h.path + "/app/plug@v0.1.0 extract " + shop + " --base " + before)
	require.Contains(t, output, "Domains of your own: billing, orders\n")
	require.Contains(t, output, "now from its module: audit, media, notifications, products;")
	require.NotContains(t, s.Read("domains/billing/plugins/note_sale_test.go"), "Settle")
	require.NoDirExists(t, filepath.Join(s.Dir, "infra"))
	for _, check := range []string{"go mod tidy -diff", "go tool plug docs --check", "go vet ./...", "go tool plug lint", "go test ./..."} {
		s.Must(check) // as make check does, but for the race detector, which finds nothing in what is moved
	}
	s.Must("go build -o bin/shop .")
	require.Equal(t, 6, strings.Count(s.Must("git log --oneline -6"), "\n"), "the clone keeps its history")
}
