package transport

import "net/http"

func Call() { _, _ = http.DefaultClient.Do(nil) }
