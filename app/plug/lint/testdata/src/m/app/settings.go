package app

import _ "m/config" // want `app imports nothing else of ours`
