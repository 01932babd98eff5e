package mail

type Client struct{}
