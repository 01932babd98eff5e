package stripe

type Client struct{}
