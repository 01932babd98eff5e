package orders // want package:"shop.sold"

import (
	"m/app"
	"shop.example/domains/orders/plugins"
)

var Module = app.Domain("orders") // want `plugins.Place is not in the list`

var _ = plugins.Place
