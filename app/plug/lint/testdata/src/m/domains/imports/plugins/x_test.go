package plugins_test

import (
	_ "os"

	_ "m/app/apptest"
	_ "m/domains/b" // want `never imports another`
)
