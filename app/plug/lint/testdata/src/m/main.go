package main

import (
	_ "m/domains/bank"  // want `domains/bank/plugins/pay.go:34: plugin bank.pay closes a cycle .*: shop.paid → shop.sold → shop.paid`
	_ "m/domains/cart"  // want `asks price.quarry, which nobody answers; ask one of: price.query` `asks price.query without the field currency, which plugin price.quote .* reads` `reads a field otherwise: field id is int64 here and string` `otherwise than it is given: field amount is string here and int64` `reads field discount of the answer to price.query, which plugin price.quote` `cart/plugins/ask.go:47: .*: field amount is string here` `cart/plugins/ask.go:47: .*field discount`
	_ "m/domains/loop"  // want `echo.go:28: plugin loop.echo says app.Ahead\(\), and plugin loop.echo .* publishes loop.waited; remove app.Ahead\(\)` `closes a cycle.*loop.waited → loop.waited`
	_ "m/domains/price" // want `answers price.query, which plugin price.quote .* answers already`
	_ "m/domains/shop"
	_ "m/domains/wrong" // want `plugin wrong.wrong subscribes to shop.sould, which nobody publishes; subscribe to one of: ` `nobody publishes shop.lost` `reads field colour of shop.sold, which plugin shop.sell .* does not send` `field id is string here and int64 where it is published` `field name may be null where it is published` `field small is int16 here and int32` `field data is .*uint16 here` `field lines.count is bool here` `field attempts is string here and int where it is published`
)

func main() {}
