package main

import (
	_ "m/app/plug"  // want `never linked into the service`
	_ "m/domains/b" // want `main.go is the only file`
)
