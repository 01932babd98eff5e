package wrong

import _ "m/domains/wrong/plugins"
