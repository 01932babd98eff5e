package clock

import (
	_ "m/app"
	_ "m/app/apptest" // want `the test kit is for files \*_test.go`
	_ "m/config"      // want `m/config may change in any release of the host`
	_ "shop.example/app/names"
)
