package main

import _ "m/domains/b"

func main() {}
