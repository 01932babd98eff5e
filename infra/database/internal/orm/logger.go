package orm

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gorm.io/gorm"
	gormlogger "gorm.io/gorm/logger"

	"plugboard/app"
)

// Logger passes GORM's log on to zap: slow statements as warnings, all statements at debug level, without
// their values, which may be secret. Failed statements are not logged here: whoever handles the error does.
type Logger struct {
	logger *zap.Logger
	slow   time.Duration
}

var (
	_ gormlogger.Interface = (*Logger)(nil)
	_ gorm.ParamsFilter    = (*Logger)(nil)
)

// NewLogger returns a logger that warns of statements that take as long as slow, or longer. It never warns if slow is 0.
func NewLogger(logger *zap.Logger, slow time.Duration) *Logger {
	return &Logger{logger: logger, slow: slow}
}

// LogMode implements gormlogger.Interface. The level is zap's.
func (l *Logger) LogMode(gormlogger.LogLevel) gormlogger.Interface { return l }

// Info implements gormlogger.Interface.
func (l *Logger) Info(ctx context.Context, format string, args ...any) {
	app.Logger(ctx, l.logger).Debug(fmt.Sprintf(format, args...))
}

// Warn implements gormlogger.Interface.
func (l *Logger) Warn(ctx context.Context, format string, args ...any) {
	app.Logger(ctx, l.logger).Warn(fmt.Sprintf(format, args...))
}

// Error implements gormlogger.Interface.
func (l *Logger) Error(ctx context.Context, format string, args ...any) {
	app.Logger(ctx, l.logger).Error(fmt.Sprintf(format, args...))
}

// ParamsFilter keeps the values out of the statements that GORM logs.
func (l *Logger) ParamsFilter(_ context.Context, query string, _ ...any) (string, []any) {
	return query, nil
}

// Trace implements gormlogger.Interface.
func (l *Logger) Trace(ctx context.Context, begin time.Time, statement func() (string, int64), _ error) {
	elapsed := time.Since(begin)
	level, message := zapcore.DebugLevel, "statement"
	if l.slow > 0 && elapsed >= l.slow {
		level, message = zapcore.WarnLevel, "slow statement"
	}
	if !l.logger.Core().Enabled(level) {
		return
	}
	query, rows := statement()
	app.Logger(ctx, l.logger).Log(level, message, zap.String("sql", query), zap.Duration("took", elapsed),
		zap.Int64("rows", rows), zap.String("for_plugin", app.PluginName(ctx)))
}
