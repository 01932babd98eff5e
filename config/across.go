package config

import (
	"fmt"
	"time"
)

// acrossRule is a rule between settings; its key is the setting that is told.
type acrossRule struct {
	key   string
	check func(cfg *Config) (problem string)
}

// acrossRules returns the rules that hold between settings that are right by themselves.
func acrossRules() []acrossRule {
	return []acrossRule{
		{"events.backoff_max", func(c *Config) string {
			return notBelow(c.Events.BackoffMax, c.Events.BackoffMin, "events.backoff_min")
		}},
		{"http.read_timeout", func(c *Config) string {
			return notBelow(c.HTTP.ReadTimeout, c.HTTP.HeaderTimeout, "http.header_timeout")
		}},
		{"events.lease", func(c *Config) string {
			return notBelow(c.Events.Lease, c.Events.Poll, "events.poll")
		}},
	}
}

// notBelow says that value must be at least that of the setting other, when it is less.
func notBelow(value, least time.Duration, other string) string {
	if value >= least {
		return ""
	}
	return fmt.Sprintf("is %s; it must be at least %s, which is %s", shortDuration(value), envName(other), shortDuration(least))
}
