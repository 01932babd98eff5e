package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/logging"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := newLogger(t, &out, true, "info")
	logger.With(zap.String("plugin", "products.create_product")).Error("store product", zap.Error(errors.New("disk full")), zap.Duration("took", 1500*time.Millisecond))
	logger.Debug("not at this level")
	require.NoError(t, logger.Sync())

	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), "one line of JSON")
	at, err := time.Parse("2006-01-02T15:04:05.000Z0700", line["time"].(string))
	require.NoError(t, err)
	require.Equal(t, time.UTC, at.Location())
	delete(line, "time")
	require.Equal(t, map[string]any{
		"level": "error", "message": "store product", "plugin": "products.create_product", "error": "disk full", "took": "1.5s",
	}, line)
}

func TestConsole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := newLogger(t, &out, false, "debug")
	logger.Debug("hello", zap.Int("n", 1))
	require.NoError(t, logger.Sync())
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  DEBUG  hello  \{"n": 1\}\n$`, out.String())
}

func TestFormat(t *testing.T) {
	t.Parallel()
	development, production := config.App{Env: "development"}, config.App{Env: "production"}
	require.True(t, logging.JSON(config.Log{Format: "auto"}, production))
	require.True(t, logging.JSON(config.Log{Format: "json"}, development))
	require.False(t, logging.JSON(config.Log{Format: "console"}, production))
}

func TestWrongLevel(t *testing.T) {
	t.Parallel()
	_, err := logging.New(config.Log{Level: "loud", Format: "json"}, config.App{})
	require.EqualError(t, err, `read log level: unrecognized level: "loud"`)
}

func TestModuleProvidesTheLogger(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	require.NoError(t, fx.ValidateApp(fx.NopLogger, fx.Supply(cfg.Log, cfg.App), logging.Module, fx.Invoke(func(*zap.Logger) {})))
}

// TestFxEventsAreDebug holds that what Fx reports never reaches the log twice, as its error and as ours.
func TestFxEventsAreDebug(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := newLogger(t, &out, true, "info")
	events := logging.FxLogger(logger)
	events.LogEvent(&fxevent.Provided{ConstructorName: "x"})
	events.LogEvent(&fxevent.Started{Err: errors.New("no")})
	require.NoError(t, logger.Sync())
	require.Empty(t, out.String())
	logger = newLogger(t, &out, true, "debug")
	events = logging.FxLogger(logger)
	events.LogEvent(&fxevent.Started{})
	require.NoError(t, logger.Sync())
	require.NotEmpty(t, out.String())
}

func newLogger(t *testing.T, out *bytes.Buffer, asJSON bool, level string) *zap.Logger {
	t.Helper()
	logger, err := logging.NewTo(logging.NewWriter(out, logging.Notice(asJSON)), asJSON, config.Log{Level: level})
	require.NoError(t, err)
	return logger
}
