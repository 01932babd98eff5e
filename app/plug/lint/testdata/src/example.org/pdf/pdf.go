package pdf

import (
	"io"
	"os"
)

func Write(w io.Writer) error { return nil }

// Save is a convenience that a plugin does not use.
func Save(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return Write(f)
}
