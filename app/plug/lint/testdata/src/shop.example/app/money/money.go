package money

import (
	"context"
	"database/sql" // want `database/sql goes past the host`
	_ "database/sql/driver"
	"time"

	_ "github.com/shopspring/decimal"
	_ "github.com/stripe/stripe-go/v82"
	_ "gorm.io/gorm" // want `what several domains share asks no database; .* driver.Valuer and sql.Scanner`
	_ "m/app"
	_ "m/domains/shop" // want `what several domains share knows nothing else of the service|main.go is the only file`
	_ "shop.example/app/names"
	_ "shop.example/domains/orders" // want `what several domains share knows nothing else of the service`
	_ "shop.example/infra/clock"    // want `what several domains share knows nothing else of the service`
)

func Wait(db *sql.DB) {
	time.Sleep(time.Second) // want `time.Sleep in a handler`
	go Wait(db)             // want `nobody stops this goroutine`
	_ = context.TODO()      // want `context.TODO in a handler`
}
