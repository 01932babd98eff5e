package resty

type Client struct{}
