package socket

import (
	"log"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"plugboard/infra/logging"
)

// longest is how much of a complaint is logged.
const longest = 512

// acceptPause is how often a failure to accept connections is logged as a warning.
const acceptPause = 10 * time.Second

// complaints takes what net/http logs. It is about single connections, which whoever connects can have as many of as there
// is room for, so that it is logged at debug level and clipped. That no connection can be accepted, for want of
// descriptors, is a warning, once in a while.
type complaints struct {
	logger *zap.Logger

	mu     sync.Mutex
	warned time.Time
}

// ErrorLog returns the logger that net/http writes its complaints to.
func ErrorLog(logger *zap.Logger) *log.Logger {
	return log.New(&complaints{logger: logger}, "", 0)
}

// Write implements io.Writer.
func (c *complaints) Write(line []byte) (int, error) {
	text := logging.Clip(strings.TrimSpace(string(line)), longest)
	if strings.HasPrefix(text, "http: Accept error") && c.due() {
		c.logger.Warn("connections cannot be accepted", zap.String("error", text))
	} else {
		c.logger.Debug("net/http complains", zap.String("complaint", text))
	}
	return len(line), nil
}

// due reports whether it is time to warn again.
func (c *complaints) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.warned) >= acceptPause {
		c.warned = now
		return true
	}
	return false
}
