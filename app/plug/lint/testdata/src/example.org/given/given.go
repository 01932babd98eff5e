package given

import "net/http"

// Client makes its requests with the client that it is given.
type Client struct{ HTTP *http.Client }
