package apptest

import _ "m/domains/b" // want `the test kit knows no domain`
