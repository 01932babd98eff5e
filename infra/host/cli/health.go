package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugboard/config"
	"plugboard/infra/host/application"
	"plugboard/infra/host/usage"
)

func (c *Commands) healthCommand() *cobra.Command {
	const patience = 3 * time.Second
	var ready bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running service on this machine whether it is alive",
		Long: `Asks the service that listens at APP_HTTP_ADDR on this machine whether it is alive, or with --ready
whether it is ready. It exits with 0 if so, else with 1. It is meant for a container's health check,
since it needs no shell and no other program.`,
		Args: usage.NoArguments,
		RunE: Command(func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(c.environ, c.sections()...)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			path := "/livez"
			if ready {
				path = "/readyz"
			}
			return askHealth(ctx, scheme(cfg.HTTP)+reachable(cfg.HTTP.Addr)+path)
		}),
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether the service is ready for requests")
	cmd.Flags().DurationVar(&timeout, "timeout", patience, "how long to wait for the answer")
	return cmd
}

func askHealth(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// The service is on this machine: no proxy is used, and the name in the certificate does not matter.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // as above
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("ask the service: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	const most = 4096
	body, _ := io.ReadAll(io.LimitReader(answer.Body, most)) // the error is complete without it
	return fmt.Errorf("ask the service: %s answers %s: %s", url, answer.Status, strings.TrimSpace(string(body)))
}

func (c *Commands) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  usage.NoArguments,
		RunE: Command(func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(c.stdout, version())
			return err
		}),
	}
}

// version returns the versions of the service and of the host, the commit and the version of Go, as far as the build
// recorded them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return config.ServiceName() + ", built without version information"
	}
	return versionOf(info, application.HostModule())
}

// versionOf says "shop v1.2.0 <commit> go1.26.0 on example.org/plugboard v0.3.0". A service that is the host's own module
// has one version.
func versionOf(info *debug.BuildInfo, host string) string {
	parts := []string{config.ServiceName(), info.Main.Version}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			parts = append(parts, s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			parts = append(parts, "(modified)")
		}
	}
	parts = append(parts, info.GoVersion)
	if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == host }); i >= 0 {
		parts = append(parts, "on", info.Deps[i].Path, info.Deps[i].Version)
		if other := info.Deps[i].Replace; other != nil {
			parts = append(parts, "(replaced by "+strings.TrimSpace(other.Path+" "+other.Version)+")")
		}
	}
	return strings.Join(parts, " ")
}
