package cli

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
	"plugboard/infra/host/activation"
	"plugboard/infra/host/application"
	"plugboard/infra/host/devpage"
	"plugboard/infra/logging"
)

// serve runs the application until ctx ends or the application asks for its end.
func (c *Commands) serve(cmd *cobra.Command, _ []string) error {
	signal.Ignore(syscall.SIGPIPE) // otherwise the process ends when the reader of its log goes away
	a, err := c.newServing()
	if err != nil {
		return &exit{ExitFailed, err}
	}
	defer zap.RedirectStdLog(a.Logger())() // a library that logs there would wait for the reader of the log
	for _, warning := range config.Warnings(c.environ, c.sections()...) {
		a.Logger().Warn(warning)
	}
	ctx := cmd.Context()
	begin := time.Now()
	if err := a.Start(ctx); err != nil {
		return c.startFailed(ctx, a, err)
	}
	defer raiseHeapFloor(a.Config().HTTP.Memory)()
	c.announce(summaryOf(a, time.Since(begin)))
	select {
	case <-ctx.Done():
		a.Logger().Info("stopping", zap.NamedError("cause", context.Cause(ctx)))
	case <-a.Done():
		a.Logger().Info("stopping", zap.String("cause", "the application asked for it"))
	}
	if err := stopped(a, a.Stop(context.WithoutCancel(ctx))); err != nil || !a.Failed() {
		return err
	}
	return &exit{code: ExitFailed}
}

// startFailed returns the error of a start. There is none when the process was told to stop during the start, and the
// start was undone.
func (c *Commands) startFailed(ctx context.Context, a *application.App, err error) error {
	told := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
	if told && !errors.Is(err, application.ErrAbandoned) && !errors.Is(err, application.ErrNotUndone) {
		a.Logger().Info("stopped during the start", zap.NamedError("cause", context.Cause(ctx)))
		return nil
	}
	return &exit{ExitFailed, fmt.Errorf("the application did not start: %s", application.FromRoot(err.Error()))}
}

// stopped logs the result of the stop.
func stopped(a *application.App, err error) error {
	if err == nil {
		a.Logger().Info("stopped")
		return nil
	}
	a.Logger().Error("stopped uncleanly", zap.Strings("problems", strings.Split(err.Error(), "\n")))
	return &exit{code: ExitUnclean}
}

// announce says that the application is ready: a table for people, or one record of the log for machines.
func (c *Commands) announce(s summary) {
	if logging.JSON(s.app.Config().Log, s.app.Config().App) {
		s.app.Logger().Info("ready", s.fields()...)
		return
	}
	tell(c.stdout, s.table(), shortWord)
}

// newServing is [Commands.New] for the command that serves. It takes over the socket that the process was started with, if there is one,
// and in development shows what plug dev has to say. Neither is a setting: both belong to this one process.
func (c *Commands) newServing() (*application.App, error) {
	inherited, err := activation.Listener(c.environ)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(c.environ, c.sections()...)
	if inherited != nil {
		cfg.HTTP.Addr = inherited.Addr().String() // what is decided by the address, is decided by the true one
	}
	a, err := c.assemble(cfg, err)
	if err != nil {
		if inherited != nil {
			_ = inherited.Close() // it is not used
		}
		return nil, err
	}
	if inherited != nil {
		a.Server().ListenOn(inherited)
	}
	if file := devpage.File(c.environ); file != "" && cfg.App.Env == "development" {
		a.Server().AnswerFirst(devpage.Answer(file))
	}
	return a, nil
}
