package plugins

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/imaging"
	"plugboard/domains/media/models"
)

// GetThumbnailRequest names the image and the size of GET /images/{id}/thumbnail.
type GetThumbnailRequest struct {
	ID int64 `uri:"id" json:"-" binding:"min=1" example:"1"`
	// Size is the longest side: small is 96 pixels, medium 256, large 512. Images are not enlarged.
	Size string `form:"size" json:"-" default:"medium" binding:"oneof=small medium large" example:"medium"`
}

// GetThumbnailPending is the answer of GET /images/{id}/thumbnail while there is no thumbnail yet.
type GetThumbnailPending = app.Response[app.Empty]

// GetThumbnail is the plugin that serves GET /images/{id}/thumbnail.
var GetThumbnail = app.Plugin[*GetThumbnailPlugin]("media.get_thumbnail", NewGetThumbnailPlugin)

// GetThumbnailPlugin reads thumbnails.
type GetThumbnailPlugin struct {
	images *imagestore.Store
}

// NewGetThumbnailPlugin takes what the plugin needs; Fx resolves it by type.
func NewGetThumbnailPlugin(images *imagestore.Store) *GetThumbnailPlugin {
	return &GetThumbnailPlugin{images: images}
}

// OnBoot registers what the plugin serves.
func (p *GetThumbnailPlugin) OnBoot(b *app.Boot) {
	b.GET("/images/:id/thumbnail", app.Handle(p.Execute), app.Tags("Images"),
		app.Status(http.StatusOK, http.StatusAccepted), app.Fails(app.NotFound), app.Produces("image/jpeg", "image/png"))
}

// Execute returns a thumbnail of the image with the id asked for. Caches may keep it for an hour: another release may
// make better ones.
//
//	@ID				media.get_thumbnail
//	@Summary		Get a thumbnail
//	@Description	A JPEG, or a PNG where the image is transparent. Thumbnails are made in the background; until then the answer is 202.
//	@Tags			Images
//	@Produce		image/jpeg,image/png,json
//	@Param			id									path		integer				true	"The image's id"													minimum(1)
//	@Param			size								query		string				false	"The longest side: 96, 256 or 512 pixels; images are not enlarged"	Enums(small, medium, large)	default(medium)
//	@Success		200									{file}		binary				"The thumbnail; not in the envelope"
//	@Header			200									{string}	ETag				"A hash of the thumbnail"
//	@Header			200									{string}	Cache-Control		"How long it may be kept"
//	@Success		202									{object}	GetThumbnailPending	"There is no thumbnail yet"
//	@Header			202									{integer}	Retry-After			"When to ask again, in seconds"
//	@Failure		400,404,412,416,421,422,500,503,504	{object}	app.Failure
//	@Router			/images/{id}/thumbnail [get]
func (p *GetThumbnailPlugin) Execute(ctx context.Context, req GetThumbnailRequest) (app.Binary, error) {
	image, err := p.images.Image(ctx, req.ID)
	if err != nil {
		return app.Binary{}, fmt.Errorf("get thumbnail: %w", err)
	}
	switch image.Status {
	case models.Pending:
		app.SetStatus(ctx, http.StatusAccepted)
		app.SetHeader(ctx, "Retry-After", "1")
		return app.Binary{}, nil
	case models.Failed:
		return app.Binary{}, app.Errorf(app.NotFound, "image %d has no thumbnails: it %s", image.ID, image.Failure)
	}
	thumbnail, err := p.images.Thumbnail(ctx, req.ID, imaging.Size(req.Size))
	if err != nil {
		return app.Binary{}, fmt.Errorf("get thumbnail: %w", err)
	}
	return app.Binary{ContentType: thumbnail.Format, Bytes: thumbnail.Content, ETag: thumbnail.ETag, MaxAge: time.Hour}, nil
}
