package media_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/media"
	"plugboard/domains/media/models"
	"plugboard/domains/media/plugins"
)

// images is how many images are uploaded before the kill, and passed is how many reach the point before it: they get
// their thumbnails.
const (
	images = 4
	passed = 1
)

// Where a process is killed: a job is on the pool; the thumbnails are computed; they are written and not committed; they
// are committed, and the subscriber has not returned.
const (
	computing = "computing"
	computed  = "computed"
	storing   = "storing"
	stored    = "stored"
)

// The environment of the process that is to be killed.
const (
	envPoint    = "PLUGBOARD_MEDIA_KILL_AT"
	envDatabase = "PLUGBOARD_MEDIA_DATABASE"
)

// A process is killed in the middle of making thumbnails. After a restart every image that was accepted has its
// thumbnails, and was announced as ready once.
func TestThumbnailsAreFinishedAfterAKill(t *testing.T) {
	t.Parallel()
	for _, point := range []string{computing, computed, storing, stored} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
				killAt(t, point, db)

				half := states(t, db)
				require.Len(t, half, images)
				if point != stored {
					require.Less(t, count(half, models.Ready), images, "the kill came too late to show anything")
				}
				for id, s := range half {
					want := 0
					if s.status == models.Ready {
						want = 3
					}
					require.Equal(t, want, s.thumbnails, "image %d is %s", id, s.status)
				}

				for range 2 { // one after the other; the second restart finds nothing to do
					t.Run("restart", func(t *testing.T) {
						apptest.New(t, service(db)...).WaitForEvents()
					})
				}
				for id, s := range states(t, db) {
					require.Equal(t, state{models.Ready, 3, 1}, s, "image %d", id)
				}
			})
		})
	}
}

// killAt runs this binary as a service on db, and kills it when images are uploaded and all of them but those that pass
// have reached the point, or wait behind one that has.
func killAt(t *testing.T, point string, db apptest.Database) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestServiceToBeKilled$", "-test.v")
	child.Env = append(os.Environ(), envPoint+"="+point, envDatabase+"="+db.URL)
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var heard bytes.Buffer
	for lines := bufio.NewScanner(output); lines.Scan(); {
		heard.Write(append(lines.Bytes(), '\n'))
		if lines.Text() == reached {
			require.NoError(t, child.Process.Kill())
			_ = child.Wait() // says that it was killed
			return
		}
	}
	_ = child.Wait()
	t.Fatalf("the service ended by itself:\n%s", heard.String())
}

// reached is the line that the service prints when it is to be killed.
const reached = "to be killed now"

// TestServiceToBeKilled is the service that another test kills; it does nothing by itself.
func TestServiceToBeKilled(t *testing.T) {
	t.Parallel()
	point, url := os.Getenv(envPoint), os.Getenv(envDatabase)
	if point == "" {
		t.Skip("a part of TestThumbnailsAreFinishedAfterAKill")
	}
	s := &stopper{point: point, uploaded: make(chan struct{}), stopped: make(chan struct{}, images)}
	db := apptest.Database{Option: fx.Options(), URL: url}
	h := apptest.New(t, service(db, fx.Decorate(s.pool, s.database))...)
	for range images {
		h.Do(upload(t)).Status(http.StatusCreated)
	}
	close(s.uploaded)
	<-s.stopped
	fmt.Println(reached)
	select {}
}

// stopper stops every delivery but the first at its point, for ever. None begins its work before all images are
// uploaded, since a delivery that stops holds a worker, or SQLite's writer.
type stopper struct {
	point    string
	uploaded chan struct{}
	hits     atomic.Int32
	stopped  chan struct{}
}

func (s *stopper) hit(point string) {
	if point != s.point || s.hits.Add(1) <= passed {
		return
	}
	s.stopped <- struct{}{}
	select {}
}

// pool stops in the jobs that make thumbnails, or after them.
func (s *stopper) pool(pool app.Pool) app.Pool { return &stoppingPool{pool, s} }

type stoppingPool struct {
	app.Pool
	stopper *stopper
}

// Run implements app.Pool.
func (p *stoppingPool) Run(ctx context.Context, work func(app.Job) (any, error)) (any, error) {
	if app.PluginName(ctx) != "media.create_thumbnails" {
		return p.Pool.Run(ctx, work)
	}
	<-p.stopper.uploaded
	defer p.stopper.hit(computed)
	return p.Pool.Run(ctx, func(job app.Job) (any, error) {
		p.stopper.hit(computing)
		return work(job)
	})
}

// database stops in the transactions that store thumbnails, when they are written, or after them.
func (s *stopper) database(db *gorm.DB) (*gorm.DB, error) {
	db = db.Session(&gorm.Session{})
	db.Statement.ConnPool = &stoppingConnections{db.Statement.ConnPool, s}
	return db, db.Callback().Create().After("gorm:create").Register("media_test:stop", func(tx *gorm.DB) {
		if tx.Statement.Table == "thumbnails" {
			s.hit(storing)
		}
	})
}

type stoppingConnections struct {
	gorm.ConnPool
	stopper *stopper
}

// InTx implements app.Transactor.
func (c *stoppingConnections) InTx(ctx context.Context, fn func(context.Context) error) error {
	err := c.ConnPool.(app.Transactor).InTx(ctx, fn)
	if app.PluginName(ctx) == "media.create_thumbnails" && err == nil {
		c.stopper.hit(stored)
	}
	return err
}

func upload(t *testing.T) *http.Request {
	t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, 60, 40))
	for i := range picture.Pix {
		picture.Pix[i] = uint8(i % 251)
	}
	picture.SetNRGBA(0, 0, color.NRGBA{})
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("image", "picture.png")
	require.NoError(t, err)
	require.NoError(t, png.Encode(part, picture))
	require.NoError(t, form.Close())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/images", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

// service is the domain, with a plugin of another one that notes every image.ready it hears of.
func service(more ...fx.Option) []fx.Option {
	const table = "-- +goose Up\nCREATE TABLE witness_notes (image_id BIGINT NOT NULL);\n-- +goose Down\nDROP TABLE witness_notes;\n"
	return append(more,
		media.Module,
		app.Migrations(fstest.MapFS{
			"sqlite/00001_notes.sql":   {Data: []byte(table)},
			"postgres/00001_notes.sql": {Data: []byte(table)},
		}),
		app.Plugin[*noteReadyPlugin]("witness.note_ready", func(db *gorm.DB) *noteReadyPlugin { return &noteReadyPlugin{db} }),
	)
}

type noteReadyPlugin struct{ db *gorm.DB }

// OnBoot implements app.Booter.
func (p *noteReadyPlugin) OnBoot(b *app.Boot) { b.Subscribe(app.OnTx(p.note)) }

func (p *noteReadyPlugin) note(ctx context.Context, event plugins.ImageReady) error {
	return p.db.WithContext(ctx).Exec("INSERT INTO witness_notes VALUES (?)", event.ID).Error
}

// state is what the database says about an image.
type state struct {
	status     models.Status
	thumbnails int
	announced  int
}

// states reads the state of every image.
func states(t *testing.T, db apptest.Database) map[int64]state {
	t.Helper()
	found := map[int64]state{}
	t.Run("look", func(t *testing.T) {
		handle := db.Open(t).WithContext(t.Context())
		var rows []models.Image
		require.NoError(t, handle.Find(&rows).Error)
		for _, row := range rows {
			var thumbnails, announced int64
			require.NoError(t, handle.Model(&models.Thumbnail{}).Where("image_id = ?", row.ID).Count(&thumbnails).Error)
			require.NoError(t, handle.Table("witness_notes").Where("image_id = ?", row.ID).Count(&announced).Error)
			found[row.ID] = state{row.Status, int(thumbnails), int(announced)}
		}
	})
	return found
}

func count(states map[int64]state, status models.Status) (n int) {
	for _, s := range states {
		if s.status == status {
			n++
		}
	}
	return n
}
