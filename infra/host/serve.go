package host

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/logging"
)

// serve runs the application until ctx ends or the application asks for its end.
func (c *Commands) serve(cmd *cobra.Command, _ []string) error {
	signal.Ignore(syscall.SIGPIPE) // a reader of the log that goes away must not take requests with it
	a, err := c.New()
	if err != nil {
		return &exit{ExitFailed, err}
	}
	defer zap.RedirectStdLog(a.Logger())() // what libraries write there would wait for whoever reads the log
	for _, warning := range config.Warnings(c.environ) {
		a.Logger().Warn(warning)
	}
	ctx := cmd.Context()
	if err := a.Start(ctx); err != nil {
		return c.startFailed(ctx, a, err)
	}
	defer raiseHeapFloor(a.cfg.HTTP.Memory)()
	c.announce(a)
	select {
	case <-ctx.Done():
		a.Logger().Info("stopping", zap.NamedError("cause", context.Cause(ctx)))
	case <-a.Done():
		a.Logger().Info("stopping", zap.String("cause", "the application asked for it"))
	}
	if err := stopped(a, a.Stop(context.WithoutCancel(ctx))); err != nil || !a.failed.Load() {
		return err
	}
	return &exit{code: ExitFailed}
}

// startFailed tells why the application did not start. A start that was told to stop, and was undone, is no
// failure.
func (c *Commands) startFailed(ctx context.Context, a *App, err error) error {
	told := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
	if told && !errors.Is(err, errAbandoned) && !errors.Is(err, errNotUndone) {
		a.Logger().Info("stopped during the start", zap.NamedError("cause", context.Cause(ctx)))
		return nil
	}
	return &exit{ExitFailed, fmt.Errorf("the application did not start: %s", fromRoot(err.Error()))}
}

// stopped logs how the stop went.
func stopped(a *App, err error) error {
	if err == nil {
		a.Logger().Info("stopped")
		return nil
	}
	a.Logger().Error("stopped uncleanly", zap.Strings("problems", strings.Split(err.Error(), "\n")))
	return &exit{code: ExitUnclean}
}

// announce tells that the application is up: a table for people, or one line of the log for machines.
func (c *Commands) announce(a *App) {
	if logging.JSON(a.cfg.Log, a.cfg.App) {
		a.Logger().Info("ready", a.summaryFields()...)
		return
	}
	tell(c.stdout, a.Summary(), shortWord)
}

// summaryFields is [App.Summary] for machines.
func (a *App) summaryFields() []zap.Field {
	n := a.count()
	return []zap.Field{
		zap.String("address", a.url("")), zap.String("operations", a.parts.Server.OpsAddr()), zap.Int("plugins", n.plugins), zap.Int("routes", n.routes),
		zap.Int("events", n.topics), zap.Int("subscriptions", n.subscriptions), zap.String("pool", a.parts.Pool.Describe()),
		zap.String("database", a.database()), zap.Duration("took", a.took.Round(time.Millisecond)),
	}
}
