package testrun

import (
	"os/exec"
	"syscall"
)

// untilParentEnds has the system end the server when this process is killed.
func untilParentEnds(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT }
