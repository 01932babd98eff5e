package gomail

type Dialer struct{}
