package plugins

import _ "m/domains/b"
