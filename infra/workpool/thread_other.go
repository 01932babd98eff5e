//go:build !linux

package workpool

import "errors"

// lowerThread is refused: nice belongs to the whole process here.
func lowerThread(int) error { return errors.ErrUnsupported }

func onMainThread() bool { return false }
