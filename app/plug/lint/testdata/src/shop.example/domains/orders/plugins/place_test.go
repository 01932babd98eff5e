package plugins_test

import (
	_ "m/app"
	_ "m/app/apptest"
	_ "m/infra/host" // want `a domain knows app and itself`
)
