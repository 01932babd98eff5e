package eventbus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/codec"
	"plugboard/infra/eventbus/internal/message"
)

// responder answers the queries of one topic.
type responder struct {
	app.Answer
	// codecs has a *queryCodecs for each queryTypes with which somebody has asked.
	codecs sync.Map
}

type queryTypes struct{ query, answer reflect.Type }

// queryCodecs copy a query to the responder's type, and the answer to the caller's type. Err lists the fields that do not fit.
type queryCodecs struct {
	query, answer codec.Codec
	err           error
}

func (c *checker) answer(a app.Answer) {
	r := a.Responder
	if r.IsZero() {
		c.fail(a.Plugin, a.Source, "b.Answer takes app.Reply(…)")
		return
	}
	if r.QueryType().Kind() != reflect.Struct || r.AnswerType().Kind() != reflect.Struct {
		c.fail(a.Plugin, a.Source, "a responder takes a query struct and returns an answer struct")
		return
	}
	if msg := topicProblem(r.QueryType(), r.Topic()); msg != "" {
		c.fail(a.Plugin, a.Source, "query %s: %s", r.QueryType().Name(), msg)
		return
	}
	for _, t := range []reflect.Type{r.QueryType(), r.AnswerType()} {
		_, bad := codec.Compile(t, t)
		for _, m := range bad {
			c.fail(a.Plugin, a.Source, "query %s: %s", r.Topic(), m)
		}
	}
	if first, dup := c.responders[r.Topic()]; dup {
		c.fail(a.Plugin, a.Source, "query %s is already answered by plugin %s (%s)", r.Topic(), first.Plugin.Name, first.Source)
		return
	}
	c.responders[r.Topic()] = &responder{Answer: a}
}

// Ask implements app.Bus.
func (p *pluginBus) Ask(ctx context.Context, query app.Event, answer any) error {
	to := reflect.ValueOf(answer)
	from := reflect.ValueOf(query)
	if from.Kind() == reflect.Pointer {
		from = from.Elem()
	}
	if from.Kind() != reflect.Struct || to.Kind() != reflect.Pointer || to.Elem().Kind() != reflect.Struct {
		return errors.New("ask: takes a query struct and fills an answer struct")
	}
	topic := query.Topic()
	r, ok := p.bus.wiring.responders[topic]
	if !ok {
		return app.Errorf(app.Unavailable, "nobody answers %s", topic)
	}
	codecs := r.codecsFor(from.Type(), to.Elem().Type())
	if codecs.err != nil {
		return fmt.Errorf("ask %s: plugin %s does not agree with plugin %s (%s): %w", topic, p.plugin, r.Plugin.Name, r.Source, codecs.err)
	}
	asked := r.Responder.New()
	codecs.query.Copy(asked, query)
	replied, err := r.call(ctx, asked)
	if err != nil {
		return fmt.Errorf("ask %s: %w", topic, err)
	}
	codecs.answer.Copy(answer, replied)
	return nil
}

// call runs the responder in a call of the responder's plugin, outside the transaction of the caller. The responder answers on behalf of
// the caller, so it has the caller's principal.
func (r *responder) call(ctx context.Context, query any) (answer any, err error) {
	defer app.Recover(&err)
	call := &app.Call{Plugin: r.Plugin.Name}
	if asker := app.CallFrom(ctx); asker != nil {
		call.RequestID, call.Trace, call.Memory = asker.RequestID, asker.Trace, asker.Memory
		call.Principal, call.Cause = asker.Principal, asker.Cause
	}
	defer call.End()
	answer, err = r.Responder.Call(app.WithCall(database.WithoutTx(ctx), call), query)
	return answer, message.SafeError(err)
}

func (r *responder) codecsFor(query, answer reflect.Type) *queryCodecs {
	types := queryTypes{query, answer}
	if p, ok := r.codecs.Load(types); ok {
		return p.(*queryCodecs)
	}
	p := &queryCodecs{}
	var errs []error
	var bad []codec.Misfit
	p.query, bad = codec.Compile(r.Responder.QueryType(), query)
	errs = append(errs, misfitErrors("the query's", bad)...)
	p.answer, bad = codec.Compile(answer, r.Responder.AnswerType())
	errs = append(errs, misfitErrors("the answer's", bad)...)
	p.err = errors.Join(errs...)
	kept, _ := r.codecs.LoadOrStore(types, p)
	return kept.(*queryCodecs)
}

func misfitErrors(whose string, bad []codec.Misfit) []error {
	var errs []error
	for _, m := range bad {
		text := m.Text
		if m.Missing {
			text = "is not sent"
		}
		errs = append(errs, fmt.Errorf("%s field %s %s", whose, m.Field, text))
	}
	return errs
}
