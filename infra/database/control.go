package database

import (
	"fmt"

	"plugboard/infra/database/internal/sqltext"
)

// controlError is the error of SQL that begins, ends or divides a transaction by itself. What hangs on the transaction,
// such as the events published in it, would not know.
type controlError struct{ word string }

// Error implements error.
func (e *controlError) Error() string {
	return fmt.Sprintf("%s is not for plugins to run as SQL: use app.InTx for a transaction, and within it a nested app.InTx,"+
		" or SavePoint and RollbackTo of *gorm.DB, for a savepoint", e.word)
}

// refuseControl returns an error for a query in which a statement begins, ends or divides a transaction.
func refuseControl(query string) error {
	if word := sqltext.Control(query); word != "" {
		return &controlError{word}
	}
	return nil
}
