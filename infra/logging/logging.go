// Package logging makes the service's logger.
//
// The logger is zap's. It writes JSON for machines or readable lines for people, with times in ISO 8601 and UTC. Records go to the
// standard error through a [Writer], so that no request waits for a slow reader of the log. The logger adds no stack traces to
// errors; the code that recovers a panic adds its stack. All of it is safe for concurrent use.
package logging

import (
	"errors"
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

// Module provides *zap.Logger to Fx. It registers the metric of dropped records if the graph has a prometheus.Registerer.
var Module = fx.Module("logging", fx.Provide(provide))

type inputs struct {
	fx.In

	Log        config.Log
	App        config.App
	Registerer prometheus.Registerer `optional:"true"`
}

func provide(in inputs) (*zap.Logger, error) {
	json := JSON(in.Log, in.App)
	w := NewWriter(os.Stderr, Notice(json))
	if in.Registerer != nil {
		if err := errors.Join(in.Registerer.Register(w.counter("full", &w.overflow)), in.Registerer.Register(w.counter("failed", &w.failed))); err != nil {
			return nil, fmt.Errorf("register metrics of the log: %w", err)
		}
	}
	return NewTo(w, json, in.Log)
}

// counter returns the metric of the records that w dropped for one reason.
func (w *Writer) counter(reason string, dropped *int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name:        "plugboard_log_dropped_total",
		Help:        "Log records that were dropped because the reader of the log was too slow (full), or because writing failed (failed).",
		ConstLabels: prometheus.Labels{"reason": reason},
	}, func() float64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return float64(*dropped)
	})
}

// New returns a logger that writes to the standard error. Call its Sync before the process ends: it waits until all records are
// written, for two seconds at most.
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

// Notice returns the function that makes the record about dropped records, as JSON or as a readable line.
func Notice(json bool) func(dropped int64) []byte {
	encoder := encoder(json)
	return func(dropped int64) []byte {
		entry := zapcore.Entry{
			Level: zapcore.WarnLevel, Time: time.Now(),
			Message: fmt.Sprintf("%d log records were dropped because the reader of the log was too slow, or writing failed", dropped),
		}
		line, err := encoder.EncodeEntry(entry, []zapcore.Field{zap.Int64("dropped", dropped)})
		if err != nil { // does not happen: a number can be encoded
			return []byte(entry.Message + "\n")
		}
		return line.Bytes()
	}
}

// JSON reports whether the log is JSON by the settings: with format "json", and with "auto" in production and when the standard error
// is not a terminal.
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

// FxLogger returns a logger for Fx's own events. All are logged at debug level, also errors: Fx returns those to the host, which
// reports them once.
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
