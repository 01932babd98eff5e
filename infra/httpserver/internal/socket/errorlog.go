package socket

import (
	"log"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"plugboard/infra/logging"
)

// longest is how many bytes of a complaint are logged.
const longest = 512

// acceptPause is the least time between two warnings that connections cannot be accepted.
const acceptPause = 10 * time.Second

// complaints gets what net/http logs. Most of it is about single connections, which clients can cause at will, so it is clipped and
// logged at debug level. That no connection can be accepted, because there are no file descriptors left, is a warning, but at most one
// in each acceptPause; the others are logged at debug level too.
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
		c.logger.Warn("accepting connections failed", zap.String("error", text))
	} else {
		c.logger.Debug("connection failed", zap.String("error", text))
	}
	return len(line), nil
}

// due reports whether it is time to warn again, and if so counts the pause from now on.
func (c *complaints) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.warned) >= acceptPause {
		c.warned = now
		return true
	}
	return false
}
