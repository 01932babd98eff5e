//go:build !linux

package workpool

import "errors"

// lowerThread is refused: nice belongs to the whole process here.
func lowerThread(int, int) error { return errors.ErrUnsupported }

// currentThread is not needed where no thread is lowered.
func currentThread() int { return 0 }
