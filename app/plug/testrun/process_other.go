//go:build !unix

package testrun

import (
	"errors"
	"os"
	"os/exec"
)

// owner is the user that a process runs as: always this process's.
type owner struct{}

// serverOwner refuses: a private server is reached by a socket of Unix.
func serverOwner() (owner, error) {
	return owner{}, errors.New("this system has no private Postgres: set " + URLVariable + " to a server of your own, or run go test ./... for the SQLite half")
}

func (owner) own(string) error { return nil }

func (owner) orMe() string { return "you" }

func apart(*exec.Cmd, owner) {}

func signalAll(cmd *exec.Cmd, _ os.Signal) error { return cmd.Process.Kill() }

func signalServer(cmd *exec.Cmd) error { return cmd.Process.Kill() }
