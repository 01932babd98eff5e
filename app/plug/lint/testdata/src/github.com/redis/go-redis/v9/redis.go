package redis

type Client struct{}
