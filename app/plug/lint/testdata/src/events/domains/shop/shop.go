package shop

import _ "events/domains/shop/plugins"
