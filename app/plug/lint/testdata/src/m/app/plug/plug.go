package plug

import _ "m/domains/b" // want `the developer's command knows no domain`
