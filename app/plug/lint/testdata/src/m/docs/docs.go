package docs

import _ "m/app" // want `docs imports nothing of ours`
