package main

import _ "m/domains/listed" // want `main.go is the only file that names domains`
