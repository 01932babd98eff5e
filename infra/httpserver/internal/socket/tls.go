package socket

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// certificateAge is the least time between two checks whether the files of the certificate have changed.
const certificateAge = time.Second

// certificate is the certificate of the service. It reads the files again when they change, so that a renewal needs no restart. It is
// safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	logger            *zap.Logger

	mu      sync.Mutex // guards the rest
	current *tls.Certificate
	looked  time.Time
	changed [2]time.Time
}

// TLSConfig reads the certificate and returns the configuration that serves it. HTTP/2 is left to the proxy in front.
func TLSConfig(certFile, keyFile string, logger *zap.Logger) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("read the certificate (APP_HTTP_TLS_CERT, APP_HTTP_TLS_KEY): %w", err)
	}
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// get returns the certificate for a connection. If the files have changed and cannot be read, it logs that and returns the last
// certificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certificateAge {
		return c.current, nil
	}
	c.looked = time.Now()
	if times := c.times(); times != c.changed {
		if err := c.read(); err != nil {
			c.logger.Error("reading the changed certificate failed, using the last one", zap.Error(err))
			c.changed = times // logged once for each change
		} else {
			c.logger.Info("certificate read again after a change")
		}
	}
	return c.current, nil
}

// times returns when the files last changed.
func (c *certificate) times() (times [2]time.Time) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			times[i] = info.ModTime()
		}
	}
	return times
}

func (c *certificate) read() error {
	times := c.times()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current, c.changed = &pair, times
	return nil
}
