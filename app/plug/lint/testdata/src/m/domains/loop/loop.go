package loop

import _ "m/domains/loop/plugins"
