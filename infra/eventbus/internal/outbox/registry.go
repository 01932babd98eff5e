package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// registry registers the subscriptions of this version, and knows the subscriptions that only other versions have. Its methods may be
// called concurrently.
type registry struct {
	cfg      config.Events
	store    store.Subscriptions
	replicas store.Replicas
	queues   *queues
	claimer  *claimer
	// foreign has, by topic, the names of the active subscriptions that this version does not have.
	foreign atomic.Pointer[map[string][]string]
}

// register marks the subscriptions of this version as active, and sets for each queue the name under which its deliveries are stored.
// Self is the id of this process.
func (r *registry) register(ctx context.Context, self string) error {
	var wanted map[string]bool
	var stored []string
	err := r.store.DB.InTx(ctx, func(ctx context.Context) (err error) {
		subscriptions := make([]*message.Subscription, len(r.queues.all))
		for i, q := range r.queues.all {
			subscriptions[i] = q.Subscription
		}
		stored, wanted, err = r.store.RegisterAll(ctx, subscriptions)
		return err
	})
	if err != nil {
		return err
	}
	for i, q := range r.queues.all {
		q.stored.Store(&stored[i])
	}
	if err := r.awaitOthersKnow(ctx, self, wanted); err != nil {
		return err
	}
	return r.refresh(ctx)
}

// awaitOthersKnow waits until the other processes know the topics that have their first durable subscription now. Until then they do
// not store the events of these topics. Each process reads the subscriptions in every poll, so two polls are enough.
func (r *registry) awaitOthersKnow(ctx context.Context, self string, wanted map[string]bool) error {
	news := slices.ContainsFunc(r.queues.all, func(q *queue) bool {
		return !wanted[q.Subscription.Topic] && !strings.HasPrefix(q.Subscription.Topic, message.SchedulePrefix)
	})
	if !r.store.Postgres || !news {
		return nil
	}
	others, err := r.replicas.Others(ctx, self)
	if err != nil {
		return fmt.Errorf("look for other processes: %w", err)
	}
	live := slices.ContainsFunc(others, func(p store.Replica) bool { return !p.LeaseExpired })
	if live && !app.Sleep(ctx, 2*r.cfg.Poll) {
		return ctx.Err()
	}
	return nil
}

// seen notes in the database that the subscriptions of this version are in use.
func (r *registry) seen(ctx context.Context) error { return r.store.MarkSeen(ctx, r.queues.names()) }

// others returns the subscriptions of topic that only other versions have.
func (r *registry) others(topic string) []string {
	if foreign := r.foreign.Load(); foreign != nil {
		return (*foreign)[topic]
	}
	return nil
}

func (r *registry) othersWant(topic string) bool { return len(r.others(topic)) > 0 }

// wants reports whether this version or another one has a durable subscription of topic.
func (r *registry) wants(topic string) bool {
	return r.queues.byTopic[topic] != nil || r.othersWant(topic)
}

// refresh reads the subscriptions of other versions. It moves the deliveries that are still stored under an old name of this version's
// subscriptions.
func (r *registry) refresh(ctx context.Context) error {
	known, err := r.store.Names(ctx)
	if err != nil {
		return err
	}
	foreign := make(map[string][]string)
	for _, s := range known {
		if s.State == "active" && r.queues.storedAs(s.Name) == nil {
			foreign[s.Topic] = append(foreign[s.Topic], s.Name)
		}
	}
	r.foreign.Store(&foreign)
	for _, s := range known {
		q := r.queues.storedAs(known.StoredAs(s.Name))
		if s.Unclaimed && q != nil && q.storedAs() != s.Name {
			if err := r.moveDeliveries(ctx, s.Name, q); err != nil {
				return fmt.Errorf("move deliveries from the old name %s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// moveDeliveries moves the deliveries that are still stored under the old name from of q.
func (r *registry) moveDeliveries(ctx context.Context, from string, q *queue) error {
	if err := r.store.DB.InTx(ctx, func(ctx context.Context) error { return r.store.MoveDeliveries(ctx, from, q.storedAs()) }); err != nil {
		return err
	}
	r.claimer.open(q, 0)
	return nil
}
