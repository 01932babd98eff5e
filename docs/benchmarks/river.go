package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	_ "modernc.org/sqlite" // River's database; the service's brings its own

	"plugboard/docs/benchmarks/measure"
)

const (
	riverSQLiteConfig = "River 0.51.1 with riversqlite 0.49.0 (the newest its module proxy serves) on modernc.org/sqlite: one connection, 500 workers, " +
		"FetchCooldown and FetchPollInterval 5 ms (instead of 100 ms and 1 s; there is no notification on SQLite). Order insert by hand in SQL, InsertTx, COMMIT; the worker counts."
	riverPostgresConfig = "River 0.51.1 with riverpgxv5: 500 workers, FetchCooldown 5 ms (instead of 100 ms), LISTEN/NOTIFY. Order insert by hand in SQL, InsertTx, COMMIT; the worker counts."
)

// riverJob is the job that stands for the event.
type riverJob struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// Kind implements river.JobArgs.
func (riverJob) Kind() string { return "placed" }

// riverWorker counts jobs.
type riverWorker struct {
	river.WorkerDefaults[riverJob]
	handled *counter
}

// Work implements river.Worker.
func (w *riverWorker) Work(context.Context, *river.Job[riverJob]) error {
	w.handled.add()
	return nil
}

// startRiver migrates River's tables and starts a client.
func startRiver[Tx any](ctx context.Context, driver riverdriver.Driver[Tx], poll time.Duration) (*river.Client[Tx], *counter, error) {
	quiet := slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return nil, nil, fmt.Errorf("migrate River: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, nil, fmt.Errorf("migrate River: %w", err)
	}
	handled := &counter{}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{handled: handled})
	client, err := river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 500}},
		Workers: workers, Logger: quiet,
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: poll,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make River client: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, nil, fmt.Errorf("start River: %w", err)
	}
	return client, handled, nil
}

// riverSide commits n transactions with one job each and waits until all are worked.
func riverSide(handled *counter, commit func(ctx context.Context, i int) error) measure.Side {
	return measure.Side{Name: "River", Run: func(ctx context.Context, n int) (time.Duration, error) {
		reached := handled.expect(n)
		start := time.Now()
		if err := spread(writers, n, func(i int) error { return commit(ctx, i) }); err != nil {
			return 0, err
		}
		if err := handled.wait(ctx, reached); err != nil {
			return 0, err
		}
		return time.Since(start), nil
	}}
}

const riverPragmas = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_txlock=immediate"

func riverSQLite(ctx context.Context, b *bench) (measure.Side, func() error, error) {
	dir, err := b.folder("river")
	if err != nil {
		return measure.Side{}, nil, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "river.db")+riverPragmas)
	if err != nil {
		return measure.Side{}, nil, fmt.Errorf("open River's database: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, price REAL NOT NULL)"); err != nil {
		return measure.Side{}, nil, errors.Join(fmt.Errorf("make River's table: %w", err), db.Close())
	}
	client, handled, err := startRiver(ctx, riversqlite.New(db), 5*time.Millisecond)
	if err != nil {
		return measure.Side{}, nil, errors.Join(err, db.Close())
	}
	stop := func() error { return errors.Join(stopRiver(client), db.Close()) }
	return riverSide(handled, func(ctx context.Context, i int) error { return riverSQLiteCommit(ctx, db, client, i) }), stop, nil
}

func riverSQLiteCommit(ctx context.Context, db *sql.DB, client *river.Client[*sql.Tx], i int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	job := riverJob{Name: fmt.Sprint("Desk lamp ", i), Price: 49.9}
	err = tx.QueryRowContext(ctx, "INSERT INTO orders (name, price) VALUES (?, ?) RETURNING id", job.Name, job.Price).Scan(&job.ID)
	if err != nil {
		return fmt.Errorf("insert order: %w", err)
	}
	if _, err := client.InsertTx(ctx, tx, job, nil); err != nil {
		return fmt.Errorf("insert job: %w", err)
	}
	return tx.Commit()
}

func riverPostgres(ctx context.Context, pg *postgres) (measure.Side, func() error, error) {
	at, err := pg.schema(ctx, "river")
	if err != nil {
		return measure.Side{}, nil, err
	}
	cfg, err := pgxpool.ParseConfig(at)
	if err != nil {
		return measure.Side{}, nil, fmt.Errorf("read TEST_DATABASE_URL: %w", err)
	}
	cfg.MaxConns = 24
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return measure.Side{}, nil, fmt.Errorf("open River's pool: %w", err)
	}
	if _, err := pool.Exec(ctx, "CREATE TABLE orders (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name TEXT NOT NULL, price DOUBLE PRECISION NOT NULL)"); err != nil {
		pool.Close()
		return measure.Side{}, nil, fmt.Errorf("make River's table: %w", err)
	}
	client, handled, err := startRiver(ctx, riverpgxv5.New(pool), time.Second)
	if err != nil {
		pool.Close()
		return measure.Side{}, nil, err
	}
	stop := func() error {
		err := stopRiver(client)
		pool.Close()
		return err
	}
	return riverSide(handled, func(ctx context.Context, i int) error { return riverPostgresCommit(ctx, pool, client, i) }), stop, nil
}

func riverPostgresCommit(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], i int) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after a commit there is nothing to roll back
	job := riverJob{Name: fmt.Sprint("Desk lamp ", i), Price: 49.9}
	if err := tx.QueryRow(ctx, "INSERT INTO orders (name, price) VALUES ($1, $2) RETURNING id", job.Name, job.Price).Scan(&job.ID); err != nil {
		return fmt.Errorf("insert order: %w", err)
	}
	if _, err := client.InsertTx(ctx, tx, job, nil); err != nil {
		return fmt.Errorf("insert job: %w", err)
	}
	return tx.Commit(ctx)
}

func stopRiver[Tx any](client *river.Client[Tx]) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := client.Stop(ctx); err != nil {
		return fmt.Errorf("stop River: %w", err)
	}
	return nil
}
