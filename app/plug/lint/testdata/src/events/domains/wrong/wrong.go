package wrong

import _ "events/domains/wrong/plugins"
