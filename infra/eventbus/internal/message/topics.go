package message

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"plugboard/app"
)

const (
	// DeadLetterPrefix begins the topics under which dead deliveries are announced.
	DeadLetterPrefix = "_dlq."
	// SchedulePrefix begins the topics of schedules; the schedule's name follows.
	SchedulePrefix = "_due."
)

// SameTopic reports whether an event of one topic may go to a subscription of the other. All schedules count as one topic, since
// the topic of a schedule changes with its name.
func SameTopic(a, b string) bool {
	return a == b || strings.HasPrefix(a, SchedulePrefix) && strings.HasPrefix(b, SchedulePrefix)
}

// DeadLetter returns the message that announces a dead delivery. Ok is false when the dead delivery carries such a message itself:
// its death is not announced.
func DeadLetter(d *Delivery, err error) (m *Message, ok bool) {
	if strings.HasPrefix(d.Topic, DeadLetterPrefix) {
		return nil, false
	}
	payload, jsonErr := json.Marshal(app.DeadLetter{
		EventID: d.ID(), Topic: d.Topic, Key: d.Key, Subscription: d.Subscription.Name, Error: ErrorText(err), Attempts: d.Attempt,
		Emitter: d.Emitter, PublishedAt: d.Time.UTC(), DiedAt: time.Now().UTC(),
	})
	if jsonErr != nil {
		return nil, false // never happens: all fields are valid text
	}
	return &Message{
		Envelope: &Envelope{
			Topic: DeadLetterPrefix + d.Topic, Emitter: "host", Parent: d.ID(), RequestID: d.RequestID, Principal: d.Principal, Trace: d.Trace,
			Payload: payload,
		},
		Time: Now(),
	}, true
}

// maxErrorText is how many bytes of an error's text are stored.
const maxErrorText = 4096

// ErrorText returns the text of err, cut to 4 KiB, without the characters that a database refuses.
func ErrorText(err error) string {
	text := validText(err.Error())
	if len(text) > maxErrorText {
		text = validText(text[:maxErrorText])
	}
	return text
}

func validText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return strings.ReplaceAll(s, "\x00", "�")
}
