package plugins

import (
	"context"
	"fmt"
	"time"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
)

// GetImageContentRequest names the image of GET /images/{id}/content.
type GetImageContentRequest struct {
	ID int64 `uri:"id" json:"-" binding:"min=1" example:"1"`
}

// GetImageContent is the plugin that serves GET /images/{id}/content.
var GetImageContent = app.Plugin[*GetImageContentPlugin]("media.get_image_content", NewGetImageContentPlugin)

// GetImageContentPlugin reads images as they were sent.
type GetImageContentPlugin struct {
	images *imagestore.Store
}

// NewGetImageContentPlugin takes what the plugin needs; Fx resolves it by type.
func NewGetImageContentPlugin(images *imagestore.Store) *GetImageContentPlugin {
	return &GetImageContentPlugin{images: images}
}

// OnBoot registers what the plugin serves.
func (p *GetImageContentPlugin) OnBoot(b *app.Boot) {
	b.GET("/images/:id/content", app.Handle(p.Execute), app.Tags("Images"), app.Fails(app.NotFound),
		app.Produces("image/png", "image/jpeg", "image/webp"))
}

// Execute returns the image with the id asked for, byte for byte as it was sent. It never changes, so caches may keep
// it.
//
//	@ID			media.get_image_content
//	@Summary	Get an image
//	@Tags		Images
//	@Produce	image/png,image/jpeg,image/webp,json
//	@Param		id									path		integer			true	"The image's id"	minimum(1)
//	@Success	200									{file}		binary			"The image; not in the envelope"
//	@Header		200									{string}	ETag			"A hash of the image"
//	@Header		200									{string}	Cache-Control	"How long it may be kept"
//	@Failure	400,404,412,416,421,422,500,503,504	{object}	app.Failure
//	@Router		/images/{id}/content [get]
func (p *GetImageContentPlugin) Execute(ctx context.Context, req GetImageContentRequest) (app.Binary, error) {
	image, err := p.images.Image(ctx, req.ID)
	if err != nil {
		return app.Binary{}, fmt.Errorf("get image: %w", err)
	}
	content := p.images.Content(ctx, req.ID, image.Bytes)
	const year = 365 * 24 * time.Hour
	return app.Binary{ContentType: image.Format, Stream: content, ETag: image.ETag, MaxAge: year, Immutable: true}, nil
}
