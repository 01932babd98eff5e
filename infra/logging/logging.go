// Package logging makes the service's logger: zap, as JSON for machines or as readable lines for people.
//
// Log records go to the standard error. Times are ISO 8601 in UTC. The logger adds no stack traces to
// errors, which come from known places and say so; whoever recovers a panic adds its stack.
package logging

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"plugboard/config"
)

// Module provides *zap.Logger to Fx.
var Module = fx.Module("logging", fx.Provide(New))

// New returns a logger that writes to the standard error. It is safe for concurrent use.
func New(cfg config.Log, app config.App) (*zap.Logger, error) {
	return NewTo(zapcore.Lock(os.Stderr), JSON(cfg, app), cfg)
}

// NewTo returns a logger that writes to w, which must be safe for concurrent use, as JSON or as readable
// lines.
func NewTo(w zapcore.WriteSyncer, json bool, cfg config.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("read log level: %w", err)
	}
	return zap.New(zapcore.NewCore(encoder(json), w, level),
		zap.ErrorOutput(w), zap.AddStacktrace(zapcore.DPanicLevel)), nil
}

// JSON tells whether the settings mean JSON: when they say so, or with format "auto" in production and
// wherever the standard error is no terminal.
func JSON(cfg config.Log, app config.App) bool {
	switch cfg.Format {
	case "json":
		return true
	case "console":
		return false
	default:
		return app.Env == "production" || !isatty.IsTerminal(os.Stderr.Fd())
	}
}

// FxLogger returns a logger for Fx's own events, all of them at debug level: their errors reach whoever
// builds or starts the application and are reported there, once.
func FxLogger(logger *zap.Logger) fxevent.Logger {
	l := &fxevent.ZapLogger{Logger: logger.Named("fx")}
	l.UseLogLevel(zapcore.DebugLevel)
	l.UseErrorLevel(zapcore.DebugLevel)
	return l
}

func encoder(json bool) zapcore.Encoder {
	e := zap.NewProductionEncoderConfig()
	e.TimeKey = "time"
	e.MessageKey = "message"
	e.EncodeTime = utc
	e.EncodeDuration = zapcore.StringDurationEncoder
	if json {
		return zapcore.NewJSONEncoder(e)
	}
	e.EncodeLevel = zapcore.CapitalLevelEncoder
	e.ConsoleSeparator = "  "
	return zapcore.NewConsoleEncoder(e)
}

func utc(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
	zapcore.ISO8601TimeEncoder(t.UTC(), enc)
}
