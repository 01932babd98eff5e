package money

import (
	_ "m/app"
	_ "shop.example/domains/orders" // want `what several domains share knows nothing else of the service`
)
