package plugins

import (
	"context"
	"fmt"
	"time"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/models"
)

// GetImageRequest names the image of GET /images/{id}.
type GetImageRequest struct {
	ID int64 `uri:"id" json:"-" binding:"min=1" example:"1"`
}

// GetImageThumbnail is one thumbnail of the image.
type GetImageThumbnail struct {
	Size   string `json:"size" example:"small"`
	Type   string `json:"type" example:"image/jpeg"`
	Width  int    `json:"width" example:"96"`
	Height int    `json:"height" example:"72"`
	Bytes  int    `json:"bytes" example:"2048"`
}

// GetImageData is what is known about one image.
type GetImageData struct {
	ID     int64  `json:"id" example:"1"`
	Type   string `json:"type" example:"image/jpeg"`
	Width  int    `json:"width" example:"4000"`
	Height int    `json:"height" example:"3000"`
	Bytes  int    `json:"bytes" example:"3145728"`
	// Status says how far the thumbnails are: pending, ready or failed.
	Status string `json:"status" enums:"pending,ready,failed" example:"ready"`
	// Failure says why there are no thumbnails when the status is failed; otherwise it is empty.
	Failure string `json:"failure" example:""`
	// Thumbnails are those there are, the smallest size first.
	Thumbnails []GetImageThumbnail `json:"thumbnails"`
	CreatedAt  time.Time           `json:"created_at" example:"2026-01-31T12:00:00Z"`
}

// GetImageResponse is the answer of GET /images/{id}.
type GetImageResponse = app.Response[GetImageData]

// GetImage is the plugin that serves GET /images/{id}.
var GetImage = app.Plugin[*GetImagePlugin]("media.get_image", NewGetImagePlugin)

// GetImagePlugin reads what is known about one image.
type GetImagePlugin struct {
	images *imagestore.Store
}

// NewGetImagePlugin takes what the plugin needs; Fx resolves it by type.
func NewGetImagePlugin(images *imagestore.Store) *GetImagePlugin {
	return &GetImagePlugin{images: images}
}

// OnBoot registers what the plugin serves.
func (p *GetImagePlugin) OnBoot(b *app.Boot) {
	b.GET("/images/:id", app.Handle(p.Execute), app.Tags("Images"), app.Fails(app.NotFound))
}

// Execute returns what is known about the image with the id asked for.
//
//	@ID				media.get_image
//	@Summary		Get an image's description
//	@Description	The status says how far the thumbnails are: pending, ready, or failed with the reason.
//	@Tags			Images
//	@Produce		json
//	@Param			id							path		integer	true	"The image's id"	minimum(1)
//	@Success		200							{object}	GetImageResponse
//	@Failure		400,404,421,422,500,503,504	{object}	app.Failure
//	@Router			/images/{id} [get]
func (p *GetImagePlugin) Execute(ctx context.Context, req GetImageRequest) (GetImageData, error) {
	image, err := p.images.Image(ctx, req.ID)
	if err != nil {
		return GetImageData{}, fmt.Errorf("get image: %w", err)
	}
	data := GetImageData{
		ID: image.ID, Type: image.Format, Width: image.Width, Height: image.Height, Bytes: image.Bytes,
		Status: string(image.Status), Failure: image.Failure, Thumbnails: []GetImageThumbnail{}, CreatedAt: image.CreatedAt.UTC(),
	}
	if image.Status != models.Ready {
		return data, nil
	}
	thumbnails, err := p.images.Thumbnails(ctx, req.ID)
	if err != nil {
		return GetImageData{}, fmt.Errorf("get image: %w", err)
	}
	for _, t := range thumbnails {
		data.Thumbnails = append(data.Thumbnails, GetImageThumbnail{Size: t.Size, Type: t.Format, Width: t.Width, Height: t.Height, Bytes: t.Bytes})
	}
	return data, nil
}
