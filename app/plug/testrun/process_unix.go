//go:build unix

package testrun

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the user that a process runs as; the zero owner is this process's.
type owner struct {
	name     string
	uid, gid uint32
}

// serverOwner returns the user that the server runs as: this process's, unless that is root, as whom Postgres does not run.
func serverOwner() (owner, error) {
	if os.Getuid() != 0 {
		return owner{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return owner{name, uint32(uid), uint32(gid)}, nil
	}
	return owner{}, errors.New("start Postgres: it does not run as root, and there is neither a user postgres nor a user nobody to run it as")
}

// own makes a folder the owner's.
func (o owner) own(dir string) error {
	if o.name == "" {
		return nil
	}
	return os.Chown(dir, int(o.uid), int(o.gid))
}

// orMe names the owner.
func (o owner) orMe() string {
	if o.name == "" {
		return "you"
	}
	return "the user " + o.name
}

// apart has a command run as a user, in a group of its own: the terminal's interrupt does not reach it, and all that it starts is signalled
// with it.
func apart(cmd *exec.Cmd, who owner) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if who.name != "" {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid}
	}
}

// signalAll sends a signal to a process and all that it started.
func signalAll(cmd *exec.Cmd, sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("signal %v is none of this system", sig)
	}
	return syscall.Kill(-cmd.Process.Pid, s)
}

// signalServer has Postgres end at once; it ends its processes itself.
func signalServer(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGQUIT) }
