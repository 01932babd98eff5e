package main

import (
	_ "m/app"
	_ "m/domains/shop"         // want `plugin shop.sell subscribes to shop.paid, which nobody publishes` `plugin shop.sell subscribes to shop.paid, which nobody publishes` `plugin shop.sell subscribes to shop.paid, which nobody publishes`
	_ "m/domains/shop/plugins" // want `m/domains/shop/plugins may change in any release of the host, which keeps only app, `
	_ "m/infra/database"       // want `m/infra/database may change in any release of the host`
	_ "m/infra/host"
	_ "shop.example/domains/orders" // want `domains/orders/plugins/place.go:\d+: plugin orders.place subscribes to shop.gone, which nobody publishes; subscribe to one of: .*shop.sold`
)

func main() {}
