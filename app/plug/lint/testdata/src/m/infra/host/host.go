package host

import (
	_ "m/app"
	_ "m/app/apptest" // want `infra knows app, config and infra`
	_ "m/config"
	_ "m/domains/b" // want `infra knows app, config and infra`
)
