package cart

import _ "events/domains/cart/plugins"
