package eventbus_test

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

type unknownTopic struct{}

func (unknownTopic) Topic() string { return "note.takn" }

type missingField struct {
	Color string `json:"color"`
}

func (missingField) Topic() string { return "note.taken" }

type unfitField struct {
	ID string `json:"id"`
}

func (unfitField) Topic() string { return "note.taken" }

type narrowField struct {
	ID int32 `json:"id"`
}

func (narrowField) Topic() string { return "note.taken" }

type variableTopic struct {
	Name string `json:"name"`
}

func (v variableTopic) Topic() string { return "v." + v.Name + "x" }

type badTopic struct{}

func (badTopic) Topic() string { return "Bad Topic" }

type openField struct {
	Any any `json:"any"`
}

func (openField) Topic() string { return "open.field" }

type durationField struct {
	Wait time.Duration `json:"wait"`
}

func (durationField) Topic() string { return "wait.field" }

type selfField struct {
	Next *selfField `json:"next"`
}

func (selfField) Topic() string { return "self.field" }

type maybe struct {
	ID *int64 `json:"id"`
}

func (maybe) Topic() string { return "maybe.field" }

type surely struct {
	ID int64 `json:"id"`
}

func (surely) Topic() string { return "maybe.field" }

type twiceField struct {
	surely

	ID int64 `json:"id"`
}

func (twiceField) Topic() string { return "twice.field" }

type stampedEvent struct{ time.Time }

func (stampedEvent) Topic() string { return "stamped.event" }

type listOfItself []listOfItself

type endless struct {
	List listOfItself `json:"list"`
}

func (endless) Topic() string { return "endless.event" }

type pointerKey struct {
	ID string `json:"id"`
}

func (pointerKey) Topic() string { return "pointer.key" }

func (e *pointerKey) Key() string { return e.ID }

func none[E app.Event](context.Context, E) error { return nil }

func TestTheContractIsCheckedAtStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plugins []func(b *app.Boot)
		want    []string
	}{
		"nobody publishes": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[unknownTopic]))},
			[]string{"plugin p1 (FILE): subscribes to note.takn, which nobody publishes; did you mean note.taken?"},
		},
		"ahead of its publisher": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[unknownTopic]), app.Ahead()), subscribes(app.On(none[unfitField]), app.Ahead())},
			[]string{"plugin p2 (FILE): event note.taken: field id is string here and int64 where it is published, by plugin p0 (FILE)"},
		},
		"missing field": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[missingField]))},
			[]string{"plugin p1 (FILE): event note.taken: reads field color, which plugin p0 (FILE) does not send"},
		},
		"unfit type": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[unfitField]))},
			[]string{"plugin p1 (FILE): event note.taken: field id is string here and int64 where it is published, by plugin p0 (FILE)"},
		},
		"too narrow": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[narrowField]))},
			[]string{"plugin p1 (FILE): event note.taken: field id is int32 here and int64 where it is published, by plugin p0 (FILE)"},
		},
		"may be null": {
			[]func(*app.Boot){publishes(maybe{}), subscribes(app.On(none[surely]))},
			[]string{"plugin p1 (FILE): event maybe.field: field id may be null where it is published (*int64); make it a pointer, by plugin p0 (FILE)"},
		},
		"duplicate name": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[Note]), app.Named("n")), subscribes(app.On(none[Note]), app.Named("n"))},
			[]string{`plugin p2 (FILE): the subscription name "n" is taken by plugin p1 (FILE); give one of them a name with app.Named`},
		},
		"its own former name": { // deleted all that waited for it, once
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[Note]), app.Named("n"), app.Formerly("m", "n"))},
			[]string{`plugin p1 (FILE): app.Formerly has "n", which is the subscription's name now; take it out`},
		},
		"a schedule's own former name": {
			[]func(*app.Boot){schedules("@daily", app.On(none[app.Due]), app.Formerly(p0Schedule))},
			[]string{`plugin p0 (FILE): app.Formerly has "p0/schedule", which is the subscription's name now; take it out`},
		},
		"former name twice": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[Note]), app.Formerly("m", "o", "m"))},
			[]string{`plugin p1 (FILE): app.Formerly has "m" twice; take one out`},
		},
		"variable topic": {
			[]func(*app.Boot){publishes(variableTopic{})},
			[]string{`plugin p0 (FILE): event variableTopic: Topic must return a constant, but returns "v.x" and "v.xx" for different values`},
		},
		"bad topic": {
			[]func(*app.Boot){publishes(badTopic{})},
			[]string{`plugin p0 (FILE): event badTopic: topic "Bad Topic" is not of the form product.created: lower-case words joined by dots`},
		},
		"announced twice": {
			[]func(*app.Boot){publishes(Note{}, Note{})},
			[]string{"plugin p0 (FILE): event note.taken is announced twice"},
		},
		"open type": {
			[]func(*app.Boot){publishes(openField{})},
			[]string{"plugin p0 (FILE): event open.field: field any is of a type that events do not support: interface {}"},
		},
		"name twice": { // found when the event was published, once
			[]func(*app.Boot){publishes(twiceField{})},
			[]string{"plugin p0 (FILE): event twice.field: field id has the JSON name of another field"},
		},
		"own format": { // stored as a text that nobody could read, once
			[]func(*app.Boot){publishes(stampedEvent{})},
			[]string{"plugin p0 (FILE): event stamped.event: is of a type with a JSON form of its own (eventbus_test.stampedEvent (struct)), which events do not support"},
		},
		"endless": { // ended the process at its start, once
			[]func(*app.Boot){publishes(endless{})},
			[]string{"plugin p0 (FILE): event endless.event: field list contains itself, which events do not support"},
		},
		"key of a pointer": { // had no order, once, and nobody said so
			[]func(*app.Boot){publishes(pointerKey{})},
			[]string{"plugin p0 (FILE): event pointer.key: Key has a pointer receiver (*pointerKey), so that events have no key; declare it on pointerKey"},
		},
		"duration": {
			[]func(*app.Boot){publishes(durationField{})},
			[]string{"plugin p0 (FILE): event wait.field: field wait is a time.Duration, which has no JSON form; use a number and name its unit"},
		},
		"recursive": {
			[]func(*app.Boot){publishes(selfField{})},
			[]string{"plugin p0 (FILE): event self.field: field next contains itself, which events do not support"},
		},
		"bad options": {
			[]func(*app.Boot){publishes(Note{}), subscribes(app.On(none[Note]), app.Volatile(), app.Block(), app.Attempts(-1))},
			[]string{
				"plugin p1 (FILE): app.Attempts must be at least 1",
				"plugin p1 (FILE): app.Block needs a durable subscription, not app.Volatile",
			},
		},
		"several at once": {
			[]func(*app.Boot){publishes(badTopic{}), subscribes(app.On(none[Note]))},
			[]string{
				`plugin p0 (FILE): event badTopic: topic "Bad Topic" is not of the form product.created: lower-case words joined by dots`,
				"plugin p1 (FILE): subscribes to note.taken, which nobody publishes",
			},
		},
		"two responders": {
			[]func(*app.Boot){
				func(b *app.Boot) { b.Answer(app.Reply(reply)) }, func(b *app.Boot) { b.Answer(app.Reply(reply)) },
			},
			[]string{"plugin p1 (FILE): query note.taken is already answered by plugin p0 (FILE)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, problems(t, c.plugins...))
		})
	}
}

func reply(context.Context, Note) (MadeRead, error) { return MadeRead{}, nil }

var location = regexp.MustCompile(`\([^() ]*_test\.go:\d+\)`)

func problems(t *testing.T, plugins ...func(b *app.Boot)) []string {
	t.Helper()
	db, err := database.New(config.Database{URL: "sqlite:never-opened.db", MaxConns: 2}, zap.NewNop())
	require.NoError(t, err)
	bus, err := eventbus.New(settings(), db, zap.NewNop(), nil)
	require.NoError(t, err)
	var out []string
	for _, problem := range bus.Check(boot(t, bus, plugins...)) {
		out = append(out, location.ReplaceAllString(problem.Error(), "(FILE)"))
	}
	return out
}

func TestPublishingWhatWasNotAnnouncedIsAnError(t *testing.T) {
	t.Parallel()
	r := start(t, site{"sqlite", "sqlite:" + t.TempDir() + "/x.db"}, settings(), publishes(Note{}))
	bus := r.bus.For("p0")
	require.EqualError(t, bus.Publish(t.Context(), Made{}),
		"publish thing.made: plugin p0 has not announced this event; add b.Publishes(Made{}) to its OnBoot")
	require.EqualError(t, bus.Publish(t.Context(), nil), "publish: the event is nil")
	require.EqualError(t, bus.Publish(t.Context(), (*Note)(nil)), "publish: the event is nil")
	require.EqualError(t, bus.Publish(t.Context(), Note{}, app.Delay(-1)), "publish note.taken: the delay -1ns is not between 0 and 8784h0m0s")
	require.ErrorContains(t, bus.Publish(t.Context(), Note{}, app.Header("_x", "y")), `header "_x"`)
	require.NoError(t, bus.Publish(t.Context(), &Note{ID: 1}))
}
