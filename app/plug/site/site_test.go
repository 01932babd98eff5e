package site_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A service is made from an empty folder with nothing but what the host has published.
func TestAServiceOfAPublishedHost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.publish("v0.1.0")
	s := h.service()
	s.must("go run " + h.path + "/app/plug@v0.1.0 init example.org/shop")
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	for _, e := range entries {
		t.Log(e.Name())
	}
	s.must("go build -o bin/shop .")
	t.Log(s.must("bin/shop version"))
	t.Log(s.must("bin/shop routes"))
	s.must("go tool plug lint")
	s.must("go tool plug docs --check")
}
