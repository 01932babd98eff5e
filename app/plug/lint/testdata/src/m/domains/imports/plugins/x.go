package plugins

import (
	_ "context"
	_ "os" // want `goes past the host`

	_ "example.org/mailer" // want `not among the libraries`
	_ "gorm.io/gorm"

	_ "m/app"
	_ "m/app/apptest"      // want `a domain knows app and itself`
	_ "m/config"           // want `a domain knows app and itself`
	_ "m/domains/ab"       // want `never imports another`
	_ "m/domains/b"        // want `never imports another`
	_ "m/domains/b/models" //plug:allow imports the two are one until the migration is done
	_ "m/domains/b/models" // want `declare an event struct of your own`
	_ "m/infra/database"   // want `ask the constructor`
)

//go:linkname hidden m/infra/database.hidden // want `behind its back`
func hidden()
