package plugins

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/imaging"
)

// ImageReady is announced when an image has its thumbnails.
type ImageReady struct {
	ID int64 `json:"id"`
}

// Topic implements app.Event.
func (ImageReady) Topic() string { return "image.ready" }

// Key implements app.Keyed: what is announced of one image is handled in order.
func (e ImageReady) Key() string { return strconv.FormatInt(e.ID, 10) }

// CreateThumbnails is the plugin that makes thumbnails of every new image.
var CreateThumbnails = app.Plugin[*CreateThumbnailsPlugin]("media.create_thumbnails", NewCreateThumbnailsPlugin)

// CreateThumbnailsPlugin makes thumbnails.
type CreateThumbnailsPlugin struct {
	db     *gorm.DB
	images *imagestore.Store
	bus    app.Bus
	pool   app.Pool
}

// NewCreateThumbnailsPlugin takes what the plugin needs; Fx resolves it by type.
func NewCreateThumbnailsPlugin(db *gorm.DB, images *imagestore.Store, bus app.Bus, pool app.Pool) *CreateThumbnailsPlugin {
	return &CreateThumbnailsPlugin{db: db, images: images, bus: bus, pool: pool}
}

// thumbnailsOfUploads names the subscription.
const thumbnailsOfUploads = "media.create_thumbnails/image.uploaded"

// OnBoot registers what the plugin listens to and announces. A pool that is full of other work for some hours is waited
// out before a delivery is dead.
func (p *CreateThumbnailsPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.On(p.Execute), app.Named(thumbnailsOfUploads), app.Attempts(30), app.Backoff(time.Second, 10*time.Minute), app.Timeout(time.Minute))
	b.Publishes(ImageReady{})
}

// Execute makes an image's thumbnails: it loads the image, computes on the pool, outside of any transaction, and stores
// the thumbnails in a short one that also announces them and completes the delivery. When the process dies before
// that has committed, all of it is done again, and takes effect once. An image of which no thumbnails can be made is
// marked as failed, and its delivery is dead.
func (p *CreateThumbnailsPlugin) Execute(ctx context.Context, event ImageUploaded) error {
	content, err := p.load(ctx, event.ID)
	if app.CodeOf(err) == app.NotFound {
		return app.Permanent(fmt.Errorf("create thumbnails: %w", err))
	}
	if err != nil {
		return fmt.Errorf("create thumbnails: %w", err)
	}
	thumbnails, err := app.Compute(ctx, p.pool, func(job app.Job) ([]imaging.Thumbnail, error) {
		if err := reserve(job, content); err != nil {
			return nil, err
		}
		return imaging.Thumbnails(job.Done(), content)
	})
	if refusal, ok := errors.AsType[*imaging.Refusal](err); ok {
		return p.fail(ctx, event.ID, refusal)
	}
	if err != nil {
		return fmt.Errorf("create thumbnails: %w", err)
	}
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.images.SetThumbnails(ctx, event.ID, thumbnails); err != nil {
			return err
		}
		if err := p.bus.Publish(ctx, ImageReady{ID: event.ID}); err != nil {
			return err
		}
		return app.Complete(ctx)
	})
	if err != nil {
		return fmt.Errorf("create thumbnails: %w", err)
	}
	return nil
}

// load returns the image's content.
func (p *CreateThumbnailsPlugin) load(ctx context.Context, id int64) ([]byte, error) {
	image, err := p.images.Image(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := app.Reserve(ctx, int64(image.Bytes)); err != nil {
		return nil, err
	}
	return p.images.Load(ctx, id, image.Bytes)
}

// fail marks the image as failed and returns the error that ends the delivery.
func (p *CreateThumbnailsPlugin) fail(ctx context.Context, id int64, why *imaging.Refusal) error {
	if err := p.images.Fail(ctx, id, why.Message); err != nil {
		return fmt.Errorf("create thumbnails: %w", err)
	}
	return app.Permanent(fmt.Errorf("create thumbnails: image %d %w", id, why))
}
