package database

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

// gormLogger passes GORM's log on to zap: slow statements as warnings, all statements at debug level, without
// their values, which may be secret. Failed statements are not logged here: whoever handles the error does.
type gormLogger struct {
	logger *zap.Logger
	slow   time.Duration
}

var (
	_ gormlogger.Interface = (*gormLogger)(nil)
	_ gorm.ParamsFilter    = (*gormLogger)(nil)
)

func newGormLogger(logger *zap.Logger, slow time.Duration) *gormLogger {
	return &gormLogger{logger: logger, slow: slow}
}

// LogMode implements gormlogger.Interface. The level is zap's.
func (l *gormLogger) LogMode(gormlogger.LogLevel) gormlogger.Interface { return l }

// Info implements gormlogger.Interface.
func (l *gormLogger) Info(ctx context.Context, format string, args ...any) {
	app.Logger(ctx, l.logger).Debug(fmt.Sprintf(format, args...))
}

// Warn implements gormlogger.Interface.
func (l *gormLogger) Warn(ctx context.Context, format string, args ...any) {
	app.Logger(ctx, l.logger).Warn(fmt.Sprintf(format, args...))
}

// Error implements gormlogger.Interface.
func (l *gormLogger) Error(ctx context.Context, format string, args ...any) {
	app.Logger(ctx, l.logger).Error(fmt.Sprintf(format, args...))
}

// Trace implements gormlogger.Interface.
func (l *gormLogger) Trace(ctx context.Context, begin time.Time, statement func() (string, int64), _ error) {
	l.trace(ctx, begin, statement)
}

// ParamsFilter keeps the values out of the statements that GORM logs.
func (l *gormLogger) ParamsFilter(_ context.Context, query string, _ ...any) (string, []any) {
	return query, nil
}

func (l *gormLogger) trace(ctx context.Context, begin time.Time, statement func() (string, int64)) {
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
