package bank

import _ "events/domains/bank/plugins"
