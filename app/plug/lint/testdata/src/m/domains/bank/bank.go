package bank

import _ "m/domains/bank/plugins"
