package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
)

// Followed is announced by one of the subscribers, for a subscriber of its own: the second step of a chain.
type Followed struct {
	Token  string `json:"token"`
	Lane   string `json:"lane"`
	Number int64  `json:"number"`
}

// Topic implements app.Event.
func (Followed) Topic() string { return "probe.followed" }

// Key implements app.Keyed.
func (f Followed) Key() string { return f.Lane }

// Died has the fields that the subscriber of dead letters reads.
type Died struct {
	EventID string `json:"event_id"`
}

// Topic implements app.Event.
func (Died) Topic() string { return "_dlq.probe.written" }

// RecordEffects is the plugin that records effects, once for each kind of subscription.
var RecordEffects = app.Plugin[*RecordEffectsPlugin]("probe.record_effects", NewRecordEffectsPlugin)

// RecordEffectsPlugin has the subscribers.
type RecordEffectsPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

// NewRecordEffectsPlugin takes what the plugin needs; Fx resolves it by type.
func NewRecordEffectsPlugin(db *gorm.DB, bus app.Bus) *RecordEffectsPlugin {
	return &RecordEffectsPlugin{db: db, bus: bus}
}

// OnBoot registers what the plugin listens to and announces.
func (p *RecordEffectsPlugin) OnBoot(b *app.Boot) {
	soon := app.Backoff(10*time.Millisecond, 100*time.Millisecond)
	b.Subscribe(app.On(p.plain), app.Named("plain"), soon)
	b.Subscribe(app.On(p.completing), app.Named("completing"), soon)
	b.Subscribe(app.OnTx(p.transactional), app.Named("transactional"), soon)
	b.Subscribe(app.OnTx(p.flaky), app.Named("flaky"), soon, app.Attempts(50))
	b.Subscribe(app.OnTx(p.doomed), app.Named("doomed"), soon)
	b.Subscribe(app.OnTx(p.follow), app.Named("follow"), soon)
	b.Subscribe(app.OnTx(p.deadLetter), app.Named("deadletter"), soon)
	b.Publishes(Followed{})
}

// plain notes the effect on its own, so that it may be noted more than once.
func (p *RecordEffectsPlugin) plain(ctx context.Context, e Written) error {
	return p.record(ctx, e.Token, e.Lane, e.Number)
}

// completing completes its delivery with its effect.
func (p *RecordEffectsPlugin) completing(ctx context.Context, e Written) error {
	return app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.record(ctx, e.Token, e.Lane, e.Number); err != nil {
			return err
		}
		if !app.Sleep(ctx, time.Duration(e.HoldMS)*time.Millisecond) {
			return ctx.Err()
		}
		return app.Complete(ctx)
	})
}

// transactional notes the effect in the transaction that completes the delivery, and publishes in it.
func (p *RecordEffectsPlugin) transactional(ctx context.Context, e Written) error {
	if err := p.record(ctx, e.Token, e.Lane, e.Number); err != nil {
		return err
	}
	return p.bus.Publish(ctx, Followed{Token: e.Token, Lane: e.Lane, Number: e.Number})
}

// errFlaky is the failure that a second attempt does not see.
var errFlaky = errors.New("failed on purpose")

// flaky fails in the first attempt at some events, after its effect.
func (p *RecordEffectsPlugin) flaky(ctx context.Context, e Written) error {
	if err := p.record(ctx, e.Token, e.Lane, e.Number); err != nil {
		return err
	}
	if d, _ := app.DeliveryFrom(ctx); d.Attempt == 1 && e.Number%7 == 3 {
		return errFlaky
	}
	return nil
}

// doomed fails for good at poison, until a remedy is found.
func (p *RecordEffectsPlugin) doomed(ctx context.Context, e Written) error {
	if err := p.record(ctx, e.Token, e.Lane, e.Number); err != nil || !e.Poison {
		return err
	}
	var remedies int64
	if err := p.db.WithContext(ctx).Model(&Remedy{}).Count(&remedies).Error; err != nil {
		return fmt.Errorf("look for a remedy: %w", err)
	}
	if remedies == 0 {
		//crash:point poison ends the process
		return app.Permanent(errors.New("poisoned on purpose"))
	}
	return nil
}

func (p *RecordEffectsPlugin) follow(ctx context.Context, e Followed) error {
	return p.record(ctx, e.Token, e.Lane, e.Number)
}

// deadLetter notes the event that died, not the announcement.
func (p *RecordEffectsPlugin) deadLetter(ctx context.Context, e Died) error {
	effect := Effect{Subscription: "deadletter", EventID: e.EventID, Attempt: 1}
	return p.db.WithContext(ctx).Create(&effect).Error
}

func (p *RecordEffectsPlugin) record(ctx context.Context, token, lane string, number int64) error {
	d, ok := app.DeliveryFrom(ctx)
	if !ok {
		return app.Permanent(errors.New("record effect: not in a delivery"))
	}
	effect := Effect{
		Subscription: d.Subscription, EventID: d.EventID, Token: token, Lane: lane, Number: number, Attempt: d.Attempt,
	}
	if err := p.db.WithContext(ctx).Create(&effect).Error; err != nil {
		return fmt.Errorf("insert effect: %w", err)
	}
	return nil
}
