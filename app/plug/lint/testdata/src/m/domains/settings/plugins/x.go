package plugins

import "time"

// Mail are the settings of mail.
type Mail struct {
	// Host is the name of the server.
	Host string `key:"host"`
	Port int    `key:"port"` // want `the setting port has no comment above it`
	Old  int    `key:"old"`  //plug:allow settings it goes with the next release

	Name    string
	Timeout time.Duration `json:"timeout"`
}
