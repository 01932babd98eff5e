package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"plugboard/app"
)

// StoreWriteRequest is the body of POST /writes.
type StoreWriteRequest struct {
	// Token names the write. It is new.
	Token string `json:"token" binding:"required,max=100"`
	// Lane is the key of the event, "" for none.
	Lane string `json:"lane" binding:"max=100"`
	// Fate is how the transaction ends after row and event are written: "" commits; "error" and "panic" roll it
	// back; "nested" rolls back a savepoint with a second write, named like the first with "-inner" behind, and
	// commits the first.
	Fate string `json:"fate" binding:"omitempty,oneof=error panic nested"`
	// Poison makes one subscriber fail for good.
	Poison bool `json:"poison"`
	// DelayMS delays the event, in milliseconds.
	DelayMS int64 `json:"delay_ms" binding:"min=0,max=10000"`
	// HoldMS is how long the subscriber that completes its delivery waits between its effect and its end.
	HoldMS int64 `json:"hold_ms" binding:"min=0,max=10000"`
}

// Written is announced when a write is stored.
type Written struct {
	Token  string `json:"token"`
	Lane   string `json:"lane"`
	Number int64  `json:"number"`
	Poison bool   `json:"poison"`
	HoldMS int64  `json:"hold_ms"`
}

// Topic implements app.Event.
func (Written) Topic() string { return "probe.written" }

// Key implements app.Keyed.
func (w Written) Key() string { return w.Lane }

// StoreWrite is the plugin that serves POST /writes.
var StoreWrite = app.Plugin[*StoreWritePlugin]("probe.store_write", NewStoreWritePlugin)

// StoreWritePlugin stores writes.
type StoreWritePlugin struct {
	db  *gorm.DB
	bus app.Bus
}

// NewStoreWritePlugin takes what the plugin needs; Fx resolves it by type.
func NewStoreWritePlugin(db *gorm.DB, bus app.Bus) *StoreWritePlugin {
	return &StoreWritePlugin{db: db, bus: bus}
}

// OnBoot registers what the plugin serves and announces.
func (p *StoreWritePlugin) OnBoot(b *app.Boot) {
	b.POST("/writes", app.Handle(p.Execute), app.Status(http.StatusCreated), app.Fails(app.Conflict))
	b.POST("/writes/once", app.Handle(p.Once), app.Idempotent(), app.Status(http.StatusCreated))
	b.Publishes(Written{})
}

// StoreOnceRequest is the body of POST /writes/once.
type StoreOnceRequest struct {
	// Token begins the name of the write.
	Token string `json:"token" binding:"required,max=100"`
	// Lane is the key of the event, "" for none.
	Lane string `json:"lane" binding:"max=100"`
}

// StoreOnceResponse names the write that was stored.
type StoreOnceResponse struct {
	Token string `json:"token"`
}

// Once stores a write and announces it, once for each Idempotency-Key. Each run of it gives the write a name of its own, so that a
// second one shows.
func (p *StoreWritePlugin) Once(ctx context.Context, req StoreOnceRequest) (StoreOnceResponse, error) {
	return app.Once(ctx, p.db, func(ctx context.Context) (StoreOnceResponse, error) {
		token := req.Token + "#" + uuid.NewString()
		app.SetHeader(ctx, "Location", "/writes/"+token)
		return StoreOnceResponse{Token: token}, p.write(ctx, StoreWriteRequest{Lane: req.Lane}, token)
	})
}

// Execute stores a write and announces it, both or neither.
func (p *StoreWritePlugin) Execute(ctx context.Context, req StoreWriteRequest) (app.Empty, error) {
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.write(ctx, req, req.Token); err != nil {
			return err
		}
		switch req.Fate {
		case "error":
			return app.Errorf(app.Conflict, "rolled back on purpose")
		case "panic":
			panic("rolled back on purpose")
		case "nested":
			return p.undone(ctx, req)
		}
		return nil
	})
	if err != nil {
		return app.Empty{}, fmt.Errorf("store write: %w", err)
	}
	return app.Empty{}, nil
}

// errUndone rolls back the savepoint.
var errUndone = errors.New("undone on purpose")

func (p *StoreWritePlugin) undone(ctx context.Context, req StoreWriteRequest) error {
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.write(ctx, req, req.Token+"-inner"); err != nil {
			return err
		}
		return errUndone
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}

func (p *StoreWritePlugin) write(ctx context.Context, req StoreWriteRequest, token string) error {
	number, err := p.number(ctx, req.Lane)
	if err != nil {
		return err
	}
	row := Write{Token: token, Lane: req.Lane, Number: number, Poison: req.Poison}
	if err := p.db.WithContext(ctx).Create(&row).Error; err != nil {
		return fmt.Errorf("insert write: %w", err)
	}
	//crash:point after row
	event := Written{Token: token, Lane: req.Lane, Number: number, Poison: req.Poison, HoldMS: req.HoldMS}
	return p.bus.Publish(ctx, event, app.Delay(time.Duration(req.DelayMS)*time.Millisecond))
}

// number takes the lane's next number.
func (p *StoreWritePlugin) number(ctx context.Context, lane string) (number int64, err error) {
	if lane == "" {
		return 0, nil
	}
	err = p.db.WithContext(ctx).Raw(`INSERT INTO probe_lanes (lane, last) VALUES (?, 1)
		ON CONFLICT (lane) DO UPDATE SET last = probe_lanes.last + 1 RETURNING last`, lane).Scan(&number).Error
	if err != nil {
		return 0, fmt.Errorf("take number: %w", err)
	}
	return number, nil
}
