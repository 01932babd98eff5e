package main

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestMain lets this binary be the other processes of the program, as main does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == naive || os.Args[1] == "load") {
		main()
		return
	}
	os.Exit(m.Run())
}

// The service without the work pool was once made by changes to the text of the pool's source. When that source
// changed, they found no place, and `make bench` ended with an error that nobody saw before a release. Now it is made of
// the service's modules, and this test starts it.
func TestTheServiceRunsWithoutTheWorkPool(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &builds{dir: t.TempDir(), command: map[string][]string{naive: {self, naive}}}
	r, err := b.start(naive, anyCore)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	for _, path := range []string{productPath, fingerprintPath} {
		status, asked := request(client, r.base, path)
		if asked != nil || status != http.StatusOK {
			err = errors.Join(err, asked)
			t.Errorf("%s answered %d, %v", path, status, asked)
		}
	}
	if err := errors.Join(err, r.stop()); err != nil {
		t.Error(err)
	}
}
