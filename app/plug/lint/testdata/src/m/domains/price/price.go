package price

import _ "m/domains/price/plugins"
