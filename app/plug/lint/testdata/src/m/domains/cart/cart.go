package cart

import _ "m/domains/cart/plugins"
