package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// largestSecret is the largest file with a secret, in bytes.
const largestSecret = 64 << 10

// readSecrets reads the files with secrets that the environment names, and adds what they hold to fromEnviron. Container
// platforms hand secrets over as such files.
func (r *reading) readSecrets(fromEnviron map[string]any) {
	for _, key := range sortedKeys(r.secrets) {
		env := r.field(key).env
		if _, given := fromEnviron[key]; given {
			r.problems = append(r.problems, fmt.Errorf("%s and %s are both given; keep one", env, env+fileSuffix))
			delete(r.secrets, key)
			continue
		}
		secret, err := readSecret(r.secrets[key])
		if err != nil {
			r.problems = append(r.problems, fmt.Errorf("read the file that %s names: %w", env+fileSuffix, err))
			continue
		}
		fromEnviron[key] = secret
	}
}

// readSecret returns the content of a file without the line's end after it.
func readSecret(path string) (string, error) {
	if path == "" {
		return "", errors.New("the name is empty")
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, largestSecret+1))
	if err != nil {
		return "", err
	}
	if len(text) > largestSecret {
		return "", fmt.Errorf("%s is larger than %d bytes, so it is no secret", path, largestSecret)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
