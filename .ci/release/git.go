package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"golang.org/x/mod/semver"
)

// git runs git in the module's folder and returns what it prints, without space around it.
func (r *release) git(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "git", args...)
	c.Dir = r.dir
	out, err := c.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(strings.TrimSpace(string(exit.Stderr) + " (" + err.Error() + ")"))
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// lastTags returns the highest version that is tagged, and the highest that is no pre-release; "" when there is none.
func (r *release) lastTags(ctx context.Context) (last, promised string, err error) {
	out, err := r.git(ctx, "tag", "--list", "v*")
	if err != nil {
		return "", "", err
	}
	for _, tag := range strings.Fields(out) {
		if !semver.IsValid(tag) {
			continue
		}
		if last == "" || semver.Compare(tag, last) > 0 {
			last = tag
		}
		if semver.Prerelease(tag) == "" && (promised == "" || semver.Compare(tag, promised) > 0) {
			promised = tag
		}
	}
	return last, promised, nil
}
