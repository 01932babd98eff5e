// Package logging makes the service's logger: zap, as JSON for machines or as readable lines for people.
//
// Log records go to the standard error through a [Writer], so that nobody waits for whoever reads the log. Times are
// ISO 8601 in UTC. The logger adds no stack traces to errors, which come from known places and say so; whoever
// recovers a panic adds its stack.
package logging

import (
	"fmt"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"plugboard/config"
)

// Module provides *zap.Logger to Fx. Where the graph has a prometheus.Registerer, dropped records are counted there.
var Module = fx.Module("logging", fx.Provide(provide))

type inputs struct {
	fx.In

	Log        config.Log
	App        config.App
	Registerer prometheus.Registerer `optional:"true"`
}

func provide(in inputs) (*zap.Logger, error) {
	json := JSON(in.Log, in.App)
	w := newStderr(json)
	if in.Registerer != nil {
		if err := in.Registerer.Register(newDropped(w)); err != nil {
			return nil, fmt.Errorf("register the log's metrics: %w", err)
		}
	}
	return NewTo(w, json, in.Log)
}

// New returns a logger that writes to the standard error. It is safe for concurrent use. Its Sync waits until what was
// logged is written, two seconds at most; call it before the process ends.
func New(cfg config.Log, app config.App) (*zap.Logger, error) {
	return provide(inputs{Log: cfg, App: app})
}

// NewTo returns a logger that writes to w, as JSON or as readable lines.
func NewTo(w *Writer, json bool, cfg config.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("read log level: %w", err)
	}
	return zap.New(&core{LevelEnabler: level, encoder: encoder(json), out: w},
		zap.ErrorOutput(w), zap.AddStacktrace(zapcore.DPanicLevel)), nil
}

// newStderr returns a Writer to the standard error.
func newStderr(json bool) *Writer { return NewWriter(os.Stderr, Notice(json)) }

// Notice returns what makes the record about dropped records, as JSON or as a readable line.
func Notice(json bool) func(dropped int64) []byte {
	encoder := encoder(json)
	return func(dropped int64) []byte {
		entry := zapcore.Entry{
			Level: zapcore.WarnLevel, Time: time.Now(),
			Message: fmt.Sprintf("%d log records were dropped: whoever reads the log was too slow, or it could not be written", dropped),
		}
		line, err := encoder.EncodeEntry(entry, []zapcore.Field{zap.Int64("dropped", dropped)})
		if err != nil { // a number has no form that cannot be encoded
			return []byte(entry.Message + "\n")
		}
		return line.Bytes()
	}
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
