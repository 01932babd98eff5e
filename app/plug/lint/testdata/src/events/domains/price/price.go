package price

import _ "events/domains/price/plugins"
