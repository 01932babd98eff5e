package shop

import _ "m/domains/shop/plugins"
