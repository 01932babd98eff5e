package pgx

type Conn struct{}
