package plugins

import (
	"context"
	"fmt"
	"strconv"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
)

// DeadUpload is what this plugin reads when a delivery of image.uploaded is dead.
type DeadUpload struct {
	// Key is the image's id, as image.uploaded has it.
	Key          string `json:"key"`
	Subscription string `json:"subscription"`
}

// Topic implements app.Event.
func (DeadUpload) Topic() string { return "_dlq.image.uploaded" }

// GiveUpThumbnails is the plugin that marks images whose thumbnails are not tried any more.
var GiveUpThumbnails = app.Plugin[*GiveUpThumbnailsPlugin]("media.give_up_thumbnails", NewGiveUpThumbnailsPlugin)

// GiveUpThumbnailsPlugin marks images as failed.
type GiveUpThumbnailsPlugin struct {
	images *imagestore.Store
}

// NewGiveUpThumbnailsPlugin takes what the plugin needs; Fx resolves it by type.
func NewGiveUpThumbnailsPlugin(images *imagestore.Store) *GiveUpThumbnailsPlugin {
	return &GiveUpThumbnailsPlugin{images: images}
}

// OnBoot registers what the plugin listens to.
func (p *GiveUpThumbnailsPlugin) OnBoot(b *app.Boot) {
	b.Subscribe(app.OnTx(p.Execute))
}

// Execute marks the image as failed if its thumbnails are still pending, so that callers do not wait for ever. The thumbnails come
// only if an operator replays the delivery; then the image is ready after all.
func (p *GiveUpThumbnailsPlugin) Execute(ctx context.Context, event DeadUpload) error {
	if event.Subscription != thumbnailsOfUploads {
		return nil // somebody else's delivery
	}
	id, err := strconv.ParseInt(event.Key, 10, 64)
	if err != nil {
		return app.Permanent(fmt.Errorf("give up thumbnails: read the image's id: %w", err))
	}
	if err := p.images.GiveUp(ctx, id, "could not be worked on; it may be tried again later"); err != nil {
		return fmt.Errorf("give up thumbnails: %w", err)
	}
	return nil
}
