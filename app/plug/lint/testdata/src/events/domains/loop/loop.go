package loop

import _ "events/domains/loop/plugins"
