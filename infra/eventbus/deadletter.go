package eventbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"plugboard/app"
)

// deadLetter makes the announcement of a dead delivery. Announcements that die are not announced: ok is false.
func deadLetter(d *Incoming, err error) (m *Message, ok bool) {
	if strings.HasPrefix(d.Topic, DeadLetterPrefix) {
		return nil, false
	}
	payload, jsonErr := json.Marshal(app.DeadLetter{
		EventID: d.ID(), Topic: d.Topic, Key: d.Key, Subscription: d.Subscription(), Error: cause(err), Attempts: d.Attempt,
		Emitter: d.Emitter, PublishedAt: d.Time.UTC(), DiedAt: time.Now().UTC(),
	})
	if jsonErr != nil {
		return nil, false // all fields are valid text
	}
	return &Message{
		Envelope: &Envelope{
			Topic: DeadLetterPrefix + d.Topic, Emitter: "host", Parent: d.ID(), RequestID: d.RequestID, Trace: d.Trace, Payload: payload,
		},
		Time: Now().whole(),
	}, true
}

// announce tells durable subscribers that a delivery is dead, in the transaction that made it so.
func (o *Outbox) announce(ctx context.Context, p *op) error {
	m, ok := deadLetter(p.d, p.err)
	if !ok || !o.Wants(m.Topic) {
		return nil
	}
	if err := o.Publish(ctx, m); err != nil {
		return fmt.Errorf("announce dead delivery: %w", err)
	}
	return nil
}

// validText makes s storable in both databases.
func validText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return strings.ReplaceAll(s, "\x00", "�")
}

// errBusyKey gives up the claim of a key that this process is at work on.
var errBusyKey = errors.New("the key is at work in this process")
