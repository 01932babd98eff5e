package application_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/host/application"
)

// feed is something of a service's own that has a loop and hooks, and that a plugin takes.
type feed struct{ run func(context.Context) error }

func (f *feed) Run(ctx context.Context) error { return f.run(ctx) }

func loopsOf(name string, run func(context.Context) error) app.PluginModule {
	return boots(name, func(b *app.Boot) { b.Loop("run", run) })
}

// A loop begins when all it may use has begun, before requests are served, and ends after the last request and before all
// that.
func TestLoopsBetweenRequestsAndEvents(t *testing.T) {
	t.Parallel()
	var d diary
	entered, answered := make(chan struct{}), make(chan struct{})
	var a *application.App
	running := make(chan *app.Call, 2)
	run := func(ctx context.Context) error {
		value, err := app.Compute(ctx, a.Pool(), func(app.Job) (int, error) { return 1, a.DB().Ping(ctx) })
		if err != nil || value != 1 {
			return fmt.Errorf("compute: %w", err)
		}
		running <- app.CallFrom(ctx)
		<-ctx.Done()
		d.note("loop told")
		return a.DB().Ping(context.WithoutCancel(ctx))
	}
	a = newApp(t, settings(t), d.hooks("hook"),
		fx.Provide(func() *feed { return &feed{run} }), app.Loop("read the feed", (*feed).Run),
		loopsOf("a.loop", run),
		boots("a.long", func(b *app.Boot) {
			b.GET("/long", app.Handle(func(context.Context, app.Empty) (app.Empty, error) {
				close(entered)
				<-answered
				d.note("request ended")
				return app.Empty{}, nil
			}))
		}))
	require.NoError(t, a.Start(t.Context()))
	calls := []*app.Call{soon(t, running, "a loop"), soon(t, running, "the other loop")}
	require.ElementsMatch(t, []string{"", "a.loop"}, []string{calls[0].Plugin, calls[1].Plugin})
	require.NotEqual(t, calls[0].RequestID, calls[1].RequestID)
	require.NotEmpty(t, calls[0].RequestID)
	caller := client(t)
	url := "http://" + a.Addr() + "/long"
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if answer, err := caller.Get(url); err == nil {
			_ = answer.Body.Close()
		}
	}()
	soon(t, entered, "the request")
	stopped := make(chan error, 1)
	go func() { stopped <- stopApp(t, a) }()
	require.Eventually(t, func() bool { // until the port is closed, which is when requests are drained
		answer, err := client(t).Get("http://" + a.Addr() + "/livez")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err != nil
	}, patience, time.Millisecond)
	require.Equal(t, []string{"start hook"}, d.read(), "a loop ended before the last request")
	close(answered)
	require.NoError(t, soon(t, stopped, "the stop"))
	soon(t, asked, "the end of the call")
	require.Equal(t, []string{"start hook", "request ended", "loop told", "loop told", "stop hook"}, d.read())
}

// What a loop publishes is handled from its first moment to its last, also by those who hear it in this process alone.
func TestALoopPublishesUntilItsEnd(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		const durable, volatile = 10, 20
		heard := make(chan int64, 4)
		hears := func(name string, as int64, opts ...app.SubscribeOption) app.PluginModule {
			return boots(name, func(b *app.Boot) {
				b.Subscribe(app.On(func(_ context.Context, e ItemAdded) error {
					heard <- as + e.ID
					return nil
				}), opts...)
			})
		}
		h := apptest.New(t, db, hears("a.hear", durable), hears("a.overhear", volatile, app.Volatile()),
			app.Plugin[*publishing]("a.publish", func(bus app.Bus) *publishing {
				return &publishing{bus: bus, onBoot: func(p *publishing, b *app.Boot) {
					b.Publishes(ItemAdded{})
					b.Loop("publish", func(ctx context.Context) error {
						first := p.bus.Publish(ctx, ItemAdded{ID: 1})
						<-ctx.Done()
						return errors.Join(first, p.bus.Publish(context.WithoutCancel(ctx), ItemAdded{ID: 2}))
					})
				}}
			}))
		require.ElementsMatch(t, []int64{11, 21}, []int64{soon(t, heard, "the first event"), soon(t, heard, "it a second time")})
		h.Stop()
		close(heard)
		var last []int64 // the durable delivery may wait for the next start
		for id := range heard {
			last = append(last, id)
		}
		require.Contains(t, last, int64(22))
	})
}

// publishing is a plugin with a bus.
type publishing struct {
	bus    app.Bus
	onBoot func(*publishing, *app.Boot)
}

func (p *publishing) OnBoot(b *app.Boot) { p.onBoot(p, b) }

// The stop waits for the slow, and names the stuck.
func TestALoopThatDoesNotEndIsNamed(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	cfg := settings(t)
	cfg.Lifecycle.StopTimeout = 200 * time.Millisecond
	began := make(chan struct{}, 2)
	a := newApp(t, cfg,
		loopsOf("a.fine", func(ctx context.Context) error {
			began <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}),
		loopsOf("a.stuck", func(context.Context) error {
			began <- struct{}{}
			<-release
			return nil
		}))
	require.NoError(t, a.Start(t.Context()))
	soon(t, began, "a loop")
	soon(t, began, "the other loop")
	err := stopApp(t, a)
	require.ErrorIs(t, err, application.ErrAbandoned)
	require.Equal(t, `stop the loops: did not finish within 200ms: the loop "run" of plugin a.stuck (infra/host/application/loops_test.go:N) did not return, and was abandoned`,
		withoutLines(err.Error()))
}

func TestLoopMistakes(t *testing.T) {
	t.Parallel()
	run := func(context.Context) error { return nil }
	_, err := application.New(settings(t), fx.Options(infra(),
		boots("a.one", func(b *app.Boot) {
			b.Loop("", run)
			b.Loop("poll", run)
			b.Loop("poll", run)
			b.Loop("nothing", nil)
		}),
		loopsOf("a.two", run), loopsOf("a.three", run),
		fx.Provide(func() *feed { return &feed{run} }),
		app.Loop("read the feed", (*feed).Run), app.Loop("read the feed", (*feed).Run),
		app.Loop[*feed]("", nil),
	))
	require.Error(t, err)
	require.Equal(t, strings.Join([]string{
		"plugin a.one (infra/host/application/loops_test.go:N): a loop has no name; say in a word what it does",
		`plugin a.one (infra/host/application/loops_test.go:N): the loop "poll" is there already (infra/host/application/loops_test.go:N); give it a name of its own`,
		`plugin a.one (infra/host/application/loops_test.go:N): the loop "nothing" has no function`,
		`app.Loop (infra/host/application/loops_test.go:N): the loop "read the feed" is there already (infra/host/application/loops_test.go:N); give it a name of its own`,
		"app.Loop (infra/host/application/loops_test.go:N): a loop has no name; say in a word what it does",
		`app.Loop (infra/host/application/loops_test.go:N): the loop "" has no function`,
	}, "\n"), problems(err))

	_, err = application.New(settings(t), fx.Options(infra(), app.Loop("read the feed", (*feed).Run)))
	require.ErrorContains(t, err, "*application_test.feed, which nothing provides")
}

// The description, the graph and the summary have the loops.
func TestLoopsAreShown(t *testing.T) {
	t.Parallel()
	idle := func(context.Context) error { return nil }
	modules := fx.Options(infra(), loopsOf("a.one", idle), fx.Provide(func() *feed { return &feed{idle} }), app.Loop("read the feed", (*feed).Run))
	a, err := application.New(settings(t), modules)
	require.NoError(t, err)
	m, err := a.Manifest()
	require.NoError(t, err)
	require.Len(t, m.Loops, 2)
	require.Equal(t, "a.one/run", m.Loops[0].Name)
	require.Equal(t, "a.one", m.Loops[0].Plugin)
	require.Equal(t, "read the feed", m.Loops[1].Name)
	require.Regexp(t, `^infra/host/application/loops_test.go:\d+$`, m.Loops[1].Source)
	_, stdout, _ := run(t, modules, inTemp(t), "graph")
	require.Contains(t, stdout, `"loop:a.one/run" -> "plugin:a.one";`)
	require.Contains(t, stdout, `"loop:read the feed" [shape=doublecircle label="read the feed"];`)
	_, stdout, _ = run(t, modules, inTemp(t), "check")
	require.Contains(t, stdout, ", 2 loops")
}

// What a site provides beside its domains reaches a plugin's constructor; its hooks start before the plugin is used and stop
// after it, in the order in which it was made; one that fails is named.
func TestAProviderOfTheSite(t *testing.T) {
	t.Parallel()
	var d diary
	site := func(opening error) fx.Option {
		return fx.Options(
			fx.Provide(func(lc fx.Lifecycle) *Printer {
				lc.Append(fx.StartStopHook(func() { d.note("printer on") }, func() { d.note("printer off") }))
				return &Printer{}
			}),
			fx.Provide(func(lc fx.Lifecycle, _ *Printer) *Mailer {
				lc.Append(fx.Hook{
					OnStart: func(context.Context) error { return opening },
					OnStop:  func(context.Context) error { d.note("mailer closed"); return nil },
				})
				return &Mailer{}
			}),
			app.Domain("a", app.Plugin[*ending]("a.mail", func(m *Mailer) *ending {
				require.NotNil(t, m)
				return &ending{shutdown: func(context.Context) error { d.note("plugin ended"); return nil }}
			})),
		)
	}
	a := newApp(t, settings(t), site(nil))
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, stopApp(t, a))
	require.Equal(t, []string{"printer on", "plugin ended", "mailer closed", "printer off"}, d.read())

	d.lines = nil
	a = newApp(t, settings(t), site(context.DeadlineExceeded))
	err := a.Start(t.Context())
	require.ErrorContains(t, err, "start hook of application_test.TestAProviderOfTheSite")
	require.ErrorContains(t, err, "(infra/host/application/loops_test.go:")
	require.Equal(t, []string{"printer on", "printer off"}, d.read())
}
