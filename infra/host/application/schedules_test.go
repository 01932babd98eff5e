package application_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/cli"
)

// reporting has two schedules, neither of which comes during a test.
type reporting struct{}

func (reporting) OnBoot(b *app.Boot) {
	b.Schedule("0 4 29 2 *", app.On(func(context.Context, app.Due) error { return nil }))
	b.Schedule("@yearly", app.On(func(context.Context, app.Due) error { return app.Permanent(errMailbox) }), app.Named("broken"))
}

var errMailbox = app.Errorf(app.Unavailable, "mailbox full")

func reports() fx.Option {
	return app.Domain("reports", app.Plugin[reporting]("reports.send_report", func() reporting { return reporting{} }))
}

// The operator sees when schedules are due and what became of their last runs, and has one run now.
func TestSchedulesBesideARunningService(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		c := spawn(t, "reports", "APP_DATABASE_URL="+db.URL, "APP_EVENTS_POLL=20ms")
		soon(t, c.addr, "the start")
		d := desk{t, fx.Options(infra(), reports()), []string{"APP_DATABASE_URL=" + db.URL}}
		require.Regexp(t, `^SCHEDULE +SPEC +PLUGIN +NEXT +LAST +STATE +EVENT
reports.send_report/schedule  0 4 29 2 \*  reports.send_report  20\d\d-02-29T04:00:00Z  - +- +-
broken                        @yearly     reports.send_report  20\d\d-01-01T00:00:00Z  - +- +-
$`, d.run("schedules"))

		require.Equal(t, "asked for a run of reports.send_report/schedule\n", d.run("run", "reports.send_report/schedule"))
		d.run("run", "broken")
		var now []admin.Schedule
		require.Eventually(t, func() bool {
			d.read(&now, "schedules")
			return now[0].State == "done" && now[1].State == "dead"
		}, patience, 20*time.Millisecond)
		require.NotZero(t, now[0].Last)
		require.Equal(t, now[1].EventID, d.await(1, "dead")[0].EventID)
		require.Contains(t, d.fails(cli.ExitUsage, "run"), "needs <schedule>, and got none")
		require.Contains(t, d.fails(cli.ExitFailed, "run", "nightly"), `there is no schedule "nightly"`)
	})
}
