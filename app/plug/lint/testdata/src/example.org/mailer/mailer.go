package mailer

import "net/smtp"

// Send opens a connection.
func Send(to string) error { return smtp.SendMail("localhost:25", nil, "", []string{to}, nil) }
