package echo

type Echo struct{}
