//go:build !linux

package workpool

import "errors"

// lowerThread refuses, since on these systems all threads of a process share one priority.
func lowerThread(int) error { return errors.ErrUnsupported }

func onMainThread() bool { return false }
