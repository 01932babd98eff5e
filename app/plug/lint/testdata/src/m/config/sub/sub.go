package sub

import _ "m/app" // want `config is a leaf`
