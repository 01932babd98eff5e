package app_test

import (
	"context"
	"fmt"
	"net/http"

	"gorm.io/gorm"

	"plugboard/app"
)

// Payment is a row of the table payments.
type Payment struct {
	ID     int64
	Amount int64
}

// TableName names the table.
func (Payment) TableName() string { return "payments" }

type makePaymentRequest struct {
	// Amount is in cents.
	Amount int64 `json:"amount" binding:"required,gt=0"`
}

type makePaymentResponse struct {
	ID int64 `json:"id"`
}

type makePaymentPlugin struct{ db *gorm.DB }

func newMakePayment(db *gorm.DB) *makePaymentPlugin { return &makePaymentPlugin{db} }

func (p *makePaymentPlugin) OnBoot(b *app.Boot) {
	b.POST("/payments", app.Handle(p.Execute), app.Idempotent(), app.Status(http.StatusCreated))
}

// Execute makes a payment, once for each Idempotency-Key.
func (p *makePaymentPlugin) Execute(ctx context.Context, req makePaymentRequest) (makePaymentResponse, error) {
	return app.Once(ctx, p.db, func(ctx context.Context) (makePaymentResponse, error) {
		payment := Payment{Amount: req.Amount}
		if err := p.db.WithContext(ctx).Create(&payment).Error; err != nil {
			return makePaymentResponse{}, fmt.Errorf("insert payment: %w", err)
		}
		app.SetHeader(ctx, "Location", fmt.Sprint("/payments/", payment.ID))
		return makePaymentResponse{ID: payment.ID}, nil
	})
}

// A client that got no answer repeats its request with the same key, and gets the answer of the first.
func ExampleOnce() {
	s := start(app.Domain("payments",
		app.Migrations(migrations(`CREATE TABLE payments (id INTEGER PRIMARY KEY, amount BIGINT NOT NULL)`)),
		app.Models(Payment{}),
		app.Plugin[*makePaymentPlugin]("payments.make", newMakePayment)))
	defer s.stop()
	s.post("/payments", `{"amount":4990}`, "Idempotency-Key", "8e03978e")
	s.post("/payments", `{"amount":4990}`, "Idempotency-Key", "8e03978e")
	s.post("/payments", `{"amount":4990}`, "Idempotency-Key", "another")
	s.post("/payments", `{"amount":1}`, "Idempotency-Key", "8e03978e")
	// Output:
	// 201 {"success":true,"data":{"id":1},"error":null}
	// 201 {"success":true,"data":{"id":1},"error":null}
	// 201 {"success":true,"data":{"id":2},"error":null}
	// 422 {"success":false,"data":null,"error":"this Idempotency-Key was used for another request; use a new key for a new request","code":"invalid"}
}
