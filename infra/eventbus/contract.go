package eventbus

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/eventbus/internal/codec"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/schedule"
)

// wiring holds the checked and compiled registrations of the plugins.
type wiring struct {
	publications  map[publicationKey]*publication
	byTopic       map[string][]*publication
	subscriptions []*subscription
	schedules     []*scheduled
	responders    map[string]*responder
}

// handlers returns all subscriptions, also the subscriptions of schedules.
func (w *wiring) handlers() []*subscription {
	all := slices.Clone(w.subscriptions)
	for _, sc := range w.schedules {
		all = append(all, sc.subscription)
	}
	return all
}

var dueType = reflect.TypeFor[app.Due]()

// scheduled is a registered schedule. The scheduler publishes an event for each of its times, and its subscription handles these events.
type scheduled struct {
	*subscription

	spec        string
	times       schedule.Timetable
	publication *publication
	// published counts the published events. skipped counts the times without an event, since the last run was not done.
	published, skipped prometheus.Counter
}

type publicationKey struct {
	plugin string
	event  reflect.Type
}

// publication is an event type that a plugin publishes.
type publication struct {
	app.Publication
	topic string
	event reflect.Type
	keyed bool
	self  codec.Codec
	// envelope is the envelope of messages that are published outside a call and without options.
	envelope          message.Envelope
	volatile, durable bool
	published         prometheus.Counter
}

// subscription is a registered subscriber.
type subscription struct {
	app.Subscription
	name, topic string
	// codecs has, for each publisher, the codec that copies its struct. self decodes the stored JSON.
	codecs []codec.Codec
	self   codec.Codec
}

var keyedType = reflect.TypeFor[app.Keyed]()

var topicPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$`)

// Check compiles the registrations of the plugins. It returns all errors in them; each names the plugin and the file. It is called once,
// before Start.
func (b *Bus) Check(plugins []app.BootedPlugin) []error {
	c := checker{meters: b.meters, wiring: wiring{
		publications: make(map[publicationKey]*publication),
		byTopic:      make(map[string][]*publication),
		responders:   make(map[string]*responder),
	}}
	for _, p := range plugins {
		for _, pub := range p.Boot.Publications() {
			c.publication(pub)
		}
	}
	for _, p := range plugins {
		for _, sub := range p.Boot.Subscriptions() {
			c.subscription(sub)
		}
		for _, sc := range p.Boot.Schedules() {
			c.schedule(sc)
		}
		for _, answer := range p.Boot.Answers() {
			c.answer(answer)
		}
	}
	c.names()
	c.route()
	b.wiring = c.wiring
	return c.problems
}

type checker struct {
	wiring
	meters   *meters
	problems []error
}

func (c *checker) fail(plugin app.PluginInfo, source, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("plugin %s (%s): %s", plugin.Name, source, fmt.Sprintf(format, args...)))
}

func (c *checker) publication(p app.Publication) {
	t := reflect.TypeOf(p.Event)
	if t == nil || t.Kind() != reflect.Struct {
		c.fail(p.Plugin, p.Source, "b.Publishes takes event structs, not %v", t)
		return
	}
	topic := p.Event.Topic()
	if msg := topicProblem(t, topic); msg != "" {
		c.fail(p.Plugin, p.Source, "event %s: %s", t.Name(), msg)
		return
	}
	key := publicationKey{p.Plugin.Name, t}
	if _, dup := c.publications[key]; dup {
		c.fail(p.Plugin, p.Source, "event %s is announced twice", topic)
		return
	}
	self, bad := codec.Compile(t, t)
	for _, m := range bad {
		c.fail(p.Plugin, p.Source, "event %s: %s", topic, m)
	}
	_, keyed := p.Event.(app.Keyed)
	if !keyed && reflect.PointerTo(t).Implements(keyedType) {
		c.fail(p.Plugin, p.Source, "event %s: Key has a pointer receiver (*%s), so that events have no key; declare it on %s", topic, t.Name(), t.Name())
	}
	pub := &publication{Publication: p, topic: topic, event: t, keyed: keyed, self: self,
		envelope: message.Envelope{Topic: topic, Emitter: p.Plugin.Name}, published: c.meters.published.WithLabelValues(topic)}
	c.publications[key] = pub
	c.byTopic[topic] = append(c.byTopic[topic], pub)
}

// topicProblem describes a problem with the topic of event type t, or returns "". To check that Topic returns a constant, it calls Topic
// on two values: the zero value, and a value with every simple field set.
func topicProblem(t reflect.Type, topic string) string {
	if !topicPattern.MatchString(topic) {
		return fmt.Sprintf("topic %q is not of the form product.created: lower-case words joined by dots", topic)
	}
	filled := reflect.New(t).Elem()
	for i := range t.NumField() {
		if f := filled.Field(i); f.CanSet() {
			fill(f)
		}
	}
	if other := filled.Interface().(app.Event).Topic(); other != topic {
		return fmt.Sprintf("Topic must return a constant, but returns %q and %q for different values", topic, other)
	}
	return ""
}

func fill(v reflect.Value) {
	switch {
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.CanFloat():
		v.SetFloat(1)
	}
}

func (c *checker) subscription(s app.Subscription) {
	if s.Subscriber.IsZero() {
		c.fail(s.Plugin, s.Source, "b.Subscribe takes app.On(…) or app.OnTx(…)")
		return
	}
	t, topic := s.Subscriber.EventType(), s.Subscriber.Topic()
	if t.Kind() != reflect.Struct {
		c.fail(s.Plugin, s.Source, "a subscriber takes an event struct, not %s", t)
		return
	}
	if msg := topicProblem(t, strings.TrimPrefix(topic, message.DeadLetterPrefix)); msg != "" && !strings.HasPrefix(topic, message.DeadLetterPrefix) {
		c.fail(s.Plugin, s.Source, "event %s: %s", t.Name(), msg)
		return
	}
	sub := &subscription{Subscription: s, topic: topic, name: cmp.Or(s.Options.Name, s.Plugin.Name+"/"+topic)}
	c.options(sub)
	var bad []codec.Misfit
	sub.self, bad = codec.Compile(t, t)
	for _, m := range bad {
		c.fail(s.Plugin, s.Source, "event %s: %s", topic, m)
	}
	c.subscriptions = append(c.subscriptions, sub)
	if len(bad) == 0 {
		c.match(sub)
	}
}

func (c *checker) schedule(s app.Schedule) {
	if s.Subscriber.IsZero() {
		c.fail(s.Plugin, s.Source, "b.Schedule takes app.On(…) or app.OnTx(…)")
		return
	}
	if t := s.Subscriber.EventType(); t != dueType {
		c.fail(s.Plugin, s.Source, "the handler of a schedule takes an app.Due, not %s", t.Name())
		return
	}
	times, err := schedule.Parse(s.Spec)
	if err != nil {
		c.fail(s.Plugin, s.Source, "schedule %q: %s", s.Spec, err)
		return
	}
	if s.Options.Block {
		c.fail(s.Plugin, s.Source, "app.Block needs events with a key, which schedules have not")
	}
	self, _ := codec.Compile(dueType, dueType)
	sub := &subscription{
		Subscription: app.Subscription{Plugin: s.Plugin, Source: s.Source, Subscriber: s.Subscriber, Options: s.Options},
		name:         cmp.Or(s.Options.Name, s.Plugin.Name+"/schedule"), self: self, codecs: []codec.Codec{self},
	}
	sub.topic = message.SchedulePrefix + sub.name
	c.options(sub)
	c.schedules = append(c.schedules, &scheduled{
		subscription: sub, spec: s.Spec, times: times,
		publication: &publication{
			topic: sub.topic, event: dueType, self: self, volatile: s.Options.Volatile, durable: !s.Options.Volatile,
			envelope:  message.Envelope{Topic: sub.topic, Emitter: s.Plugin.Name},
			published: c.meters.published.WithLabelValues(sub.topic),
		},
		published: c.meters.scheduled.WithLabelValues(sub.name, "published"),
		skipped:   c.meters.scheduled.WithLabelValues(sub.name, "skipped"),
	})
}

func (c *checker) options(s *subscription) {
	o := s.Options
	for _, problem := range []struct {
		bad  bool
		text string
	}{
		{o.Concurrency < 0, "app.Concurrency must be at least 1"},
		{o.Attempts < 0, "app.Attempts must be at least 1"},
		{o.Timeout < 0, "app.Timeout must be positive"},
		{o.BackoffMin < 0 || o.BackoffMax < o.BackoffMin, "app.Backoff takes a first wait and a longest one at least as long"},
		{o.Block && o.Volatile, "app.Block needs a durable subscription, not app.Volatile"},
		{o.Volatile && len(o.Formerly) > 0, "app.Formerly needs a durable subscription, not app.Volatile"},
		{len(s.name) > 200, "the subscription's name is longer than 200 bytes"},
	} {
		if problem.bad {
			c.fail(s.Plugin, s.Source, "%s", problem.text)
		}
	}
}

// match compiles the codec from every publisher of the subscription's topic. It reports fields that do not fit, and fields that no
// publisher sends.
func (c *checker) match(s *subscription) {
	sources := c.byTopic[s.topic]
	if failed, ok := strings.CutPrefix(s.topic, message.DeadLetterPrefix); ok {
		if len(c.byTopic[failed]) == 0 {
			c.fail(s.Plugin, s.Source, "subscribes to %s, but nobody publishes %s%s", s.topic, failed, c.nearest(failed))
			return
		}
		host := app.Publication{Plugin: app.PluginInfo{Name: "the host"}, Source: "app.DeadLetter"}
		sources = []*publication{{Publication: host, event: reflect.TypeFor[app.DeadLetter]()}}
	}
	if len(sources) == 0 && s.Options.Ahead {
		return // what other versions of the service publish is read from the stored JSON
	}
	if len(sources) == 0 {
		c.fail(s.Plugin, s.Source, "subscribes to %s, which nobody publishes%s", s.topic, c.nearest(s.topic))
		return
	}
	missing := make(map[string]int)
	for _, from := range sources {
		read, bad := codec.CompileOmitting(s.Subscriber.EventType(), from.event)
		s.codecs = append(s.codecs, read)
		for _, m := range bad {
			if m.Missing {
				missing[m.Field]++
				continue
			}
			c.fail(s.Plugin, s.Source, "event %s: %s, by plugin %s (%s)", s.topic, m, from.Plugin.Name, from.Source)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(missing)) {
		if missing[field] == len(sources) {
			c.fail(s.Plugin, s.Source, "event %s: reads field %s, which plugin %s (%s) does not send", s.topic, field, sources[0].Plugin.Name, sources[0].Source)
		}
	}
}

// nearest suggests the published topic that is most like topic.
func (c *checker) nearest(topic string) string {
	best, ok := config.Nearest(topic, slices.Sorted(maps.Keys(c.byTopic)), len(topic)/2)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// names reports names that two subscriptions share, and names that a subscription lists twice.
func (c *checker) names() {
	byName := make(map[string]*subscription)
	for _, s := range c.handlers() {
		c.formerNames(s)
		for _, name := range append([]string{s.name}, s.Options.Formerly...) {
			if first, dup := byName[name]; dup && first != s {
				c.fail(s.Plugin, s.Source, "the subscription name %q is taken by plugin %s (%s); give one of them a name with app.Named",
					name, first.Plugin.Name, first.Source)
				continue
			}
			byName[name] = s
		}
	}
}

func (c *checker) formerNames(s *subscription) {
	for i, name := range s.Options.Formerly {
		switch {
		case name == s.name:
			c.fail(s.Plugin, s.Source, "app.Formerly has %q, which is the subscription's name now; take it out", name)
		case slices.Contains(s.Options.Formerly[:i], name):
			c.fail(s.Plugin, s.Source, "app.Formerly has %q twice; take one out", name)
		}
	}
}

// route notes for each publication whether its topic has volatile subscriptions, and whether it has durable subscriptions.
func (c *checker) route() {
	for _, s := range c.subscriptions {
		for _, p := range c.byTopic[s.topic] {
			p.volatile = p.volatile || s.Options.Volatile
			p.durable = p.durable || !s.Options.Volatile
		}
	}
}

// Misfits returns the members that do not fit when a subscriber reads an event of struct type src as struct type dst. [Bus.Check] reports
// the same misfits. If dst and src are the same type, Misfits returns the problems of the event itself. Tools call it to check a plugin
// without starting it.
func Misfits(dst, src reflect.Type) []codec.Misfit {
	_, bad := codec.Compile(dst, src)
	return bad
}
