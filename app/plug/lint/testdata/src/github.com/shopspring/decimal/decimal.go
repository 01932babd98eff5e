package decimal

import "database/sql/driver"

type Decimal struct{}

func (Decimal) Value() (driver.Value, error) { return nil, nil }
