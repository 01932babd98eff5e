package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/asaskevich/EventBus"

	"plugboard/docs/benchmarks/measure"
)

// burst is how many events are published before their handling is waited for.
const burst = 1000

// compareVolatile measures events that touch no database, from publish to handled, with one subscriber.
func compareVolatile(ctx context.Context, b *bench) (measure.Section, error) {
	plan := b.plan(measure.Plan{Rounds: 20, Ops: 50 * burst, Warmup: 20 * burst})
	plan.Ops = max(plan.Ops/burst, 1) * burst
	plan.Warmup = max(plan.Warmup/burst, 1) * burst
	section := measure.Section{
		Title: "Volatile events, published and handled",
		Config: []string{
			fmt.Sprintf("One publisher, one subscriber that counts; a struct of id, name and price. Published in bursts of %d, each handled to its end before the next, so that every contestant's queue is bounded alike; %d events a round, in turn.", burst, plan.Ops),
			"Ours: `Publish` of a topic whose one subscription is `app.Volatile()` with `app.Concurrency(1)`, one at a time as the peers' subscribers that are held against it; *default*: 4 at a time. The subscriber has a struct of its own and gets a copy; the 1,000 places of the burst fit the default buffer.",
			"Watermill GoChannel " + watermillVersion + ": OutputChannelBuffer 1000, not persistent, not blocking; *JSON*: the event encoded and decoded, as its users do, a new UUID and an Ack for each message; *bytes*: the same ready payload for every message, never decoded.",
			"asaskevich/EventBus v0.0.0-20200907212545: SubscribeAsync, not transactional (a goroutine for each event); *serial*: transactional. The event goes by value.",
		},
	}
	ours, err := startSQLiteEvents(ctx, b, nil)
	if err != nil {
		return section, err
	}
	section.Findings, err = raceVolatile(ctx, plan, ours)
	return section, errors.Join(err, ours.stop())
}

const watermillVersion = "v1.5.2"

func raceVolatile(ctx context.Context, plan measure.Plan, ours *eventApp) ([]measure.Finding, error) {
	asJSON, closeJSON, err := watermillSide(ctx, "Watermill, JSON", true)
	if err != nil {
		return nil, err
	}
	asBytes, closeBytes, err := watermillSide(ctx, "Watermill, bytes", false)
	if err != nil {
		return nil, errors.Join(err, closeJSON())
	}
	async, err := eventBusSide("EventBus", false)
	if err != nil {
		return nil, errors.Join(err, closeJSON(), closeBytes())
	}
	serial, err := eventBusSide("EventBus, serial", true)
	if err != nil {
		return nil, errors.Join(err, closeJSON(), closeBytes())
	}
	all, err := measure.Interleave(ctx, plan, asJSON, asBytes, async, serial, oursSerial(ours), oursDefault(ours))
	if err = errors.Join(err, closeJSON(), closeBytes()); err != nil {
		return nil, err
	}
	const name = "volatile events: ours / "
	return []measure.Finding{
		rateFinding(name+"Watermill GoChannel, JSON", all[4], all[0], measure.Limit{}),
		rateFinding(name+"Watermill GoChannel, bytes", all[4], all[1], measure.Limit{}),
		rateFinding(name+"asaskevich EventBus, async", all[4], all[2], measure.Limit{}),
		rateFinding(name+"asaskevich EventBus, async serial", all[4], all[3], measure.Limit{}),
		rateFinding("volatile events: ours, default / Watermill GoChannel, JSON", all[5], all[0], measure.AtLeast(10)),
		rateFinding("volatile events: ours, default / asaskevich EventBus, async", all[5], all[2], measure.AtLeast(2)),
	}, nil
}

// bursts publishes n events in bursts and waits for each burst.
func bursts(ctx context.Context, handled *counter, n int, publish func(i int) error) (time.Duration, error) {
	start := time.Now()
	for first := 0; first < n; first += burst {
		reached := handled.expect(burst)
		for i := range burst {
			if err := publish(first + i); err != nil {
				return 0, err
			}
		}
		if err := handled.wait(ctx, reached); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func oursSerial(a *eventApp) measure.Side {
	return measure.Side{Name: "ours", Run: func(ctx context.Context, n int) (time.Duration, error) {
		return bursts(ctx, &a.sink.counter, n, func(i int) error {
			return a.bus.Publish(ctx, placedSerial{ID: int64(i), Name: "Desk lamp", Price: 49.9})
		})
	}}
}

func oursDefault(a *eventApp) measure.Side {
	return measure.Side{Name: "ours, default", Run: func(ctx context.Context, n int) (time.Duration, error) {
		return bursts(ctx, &a.sink.counter, n, func(i int) error {
			return a.bus.Publish(ctx, placedVolatile{ID: int64(i), Name: "Desk lamp", Price: 49.9})
		})
	}}
}

func watermillSide(ctx context.Context, name string, encode bool) (measure.Side, func() error, error) {
	handled := &counter{}
	pubsub := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 1000}, watermill.NopLogger{})
	messages, err := pubsub.Subscribe(ctx, volatileTopic)
	if err != nil {
		return measure.Side{}, nil, errors.Join(fmt.Errorf("subscribe: %w", err), pubsub.Close())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m := range messages {
			if !encode || json.Unmarshal(m.Payload, &seenVolatile{}) == nil {
				handled.add()
			}
			m.Ack()
		}
	}()
	stop := func() error {
		err := pubsub.Close()
		<-done
		return err
	}
	side := measure.Side{Name: name, Run: func(ctx context.Context, n int) (time.Duration, error) {
		return bursts(ctx, handled, n, watermillPublish(pubsub, encode))
	}}
	return side, stop, nil
}

func watermillPublish(pubsub *gochannel.GoChannel, encode bool) func(i int) error {
	ready := []byte(`{"id":1,"name":"Desk lamp","price":49.9}`)
	return func(i int) error {
		payload := ready
		if encode {
			var err error
			if payload, err = json.Marshal(placedVolatile{ID: int64(i), Name: "Desk lamp", Price: 49.9}); err != nil {
				return err
			}
		}
		return pubsub.Publish(volatileTopic, message.NewMessage(watermill.NewUUID(), payload))
	}
}

func eventBusSide(name string, serial bool) (measure.Side, error) {
	handled := &counter{}
	bus := EventBus.New()
	if err := bus.SubscribeAsync(volatileTopic, func(placedVolatile) { handled.add() }, serial); err != nil {
		return measure.Side{}, fmt.Errorf("subscribe: %w", err)
	}
	return measure.Side{Name: name, Run: func(ctx context.Context, n int) (time.Duration, error) {
		return bursts(ctx, handled, n, func(i int) error {
			bus.Publish(volatileTopic, placedVolatile{ID: int64(i), Name: "Desk lamp", Price: 49.9})
			return nil
		})
	}}, nil
}
