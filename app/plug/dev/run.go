//go:build unix

package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plugboard/config"
	"plugboard/infra/host/devpage"
)

// Run serves the module in o.Dir, each new version of it, until ctx ends. It then stops the service, which finishes its requests, and
// returns nil. It returns an error when it cannot begin: the address is in use, the files cannot be watched, or the settings are those of
// production.
func Run(ctx context.Context, o Options) error {
	environ, err := prepared(o.Environ)
	if err != nil {
		return err
	}
	// The settings are read as the service reads them. The service itself cannot be asked: the sources may be broken now. What is wrong
	// with the settings is said by the service's check.
	cfg, _ := config.Load(environ)
	if cfg.App.Env == "production" {
		return errors.New("run service: its settings say app.env is production, and plug dev is for development; unset APP_ENV")
	}
	temp, err := os.MkdirTemp("", "plug-dev-")
	if err != nil {
		return fmt.Errorf("make a folder for the binaries: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // it is in the system's folder for such
	held, err := hold(ctx, cfg.HTTP)
	if err != nil {
		return err
	}
	defer held.close()
	files, err := watch(o.Dir)
	if err != nil {
		return err
	}
	defer files.close()

	status := statusFile(filepath.Join(temp, "status"))
	s := &session{
		report: report{o.Stdout, o.Dir}, files: files, socket: held, status: status, settings: cfg,
		builder:  &builder{dir: o.Dir, temp: temp, environ: environ},
		launcher: launcher{dir: o.Dir, environ: serviceEnviron(environ, cfg.Log, o, string(status)), stdout: o.Stdout, stderr: o.Stderr},
	}
	return s.run(ctx)
}

// prepared returns the environment without what is not for the service, and with an absolute APP_CONFIG.
func prepared(environ []string) ([]string, error) {
	var all []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains([]string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", devpage.Variable}, name) {
			continue
		}
		if name == configVariable && value != "" {
			file, err := filepath.Abs(value)
			if err != nil {
				return nil, fmt.Errorf("find the file of %s: %w", name, err)
			}
			entry = name + "=" + file
		}
		all = append(all, entry)
	}
	return all, nil
}

// configVariable names the service's file of settings.
const configVariable = "APP_CONFIG"

// serviceEnviron returns the environment of the service that serves. Nobody has to see it leave, so it drains without a delay. Its log
// is for people if it goes to a terminal in the end.
func serviceEnviron(environ []string, log config.Log, o Options, status string) []string {
	all := append(slices.Clone(environ), devpage.Variable+"="+status, "APP_LIFECYCLE_DRAIN_DELAY=0s")
	if log.Format == "auto" && isTerminal(o.Stderr) {
		all = append(all, "APP_LOG_FORMAT=console")
	}
	return all
}

// statusFile is the file that says to the service what is wrong, for browsers.
type statusFile string

// write replaces the text; "" says that nothing is wrong. Nobody reads half a text.
func (f statusFile) write(text string) error {
	next := string(f) + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if err := os.Rename(next, string(f)); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

// read returns the text.
func (f statusFile) read() string {
	text, _ := os.ReadFile(string(f)) // without a file nothing is wrong
	return string(text)
}
