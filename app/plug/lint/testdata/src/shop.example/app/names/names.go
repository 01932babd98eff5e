package names

import _ "m/app"
