package plugins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/imaging"
	"plugboard/domains/media/models"
)

// UploadImageRequest is the form of POST /images.
type UploadImageRequest struct {
	// Image is a PNG, JPEG or WebP of at most 8 MiB.
	Image *app.File `form:"image" json:"-" binding:"required" checks:"claim=is what its name and media type say; pixels=is not too large to be decoded; damaged=is whole"`
}

// UploadImageData is what the caller learns about the new image.
type UploadImageData struct {
	ID int64 `json:"id" example:"1"`
	// Type is the media type, told by the content.
	Type string `json:"type" example:"image/jpeg"`
	// Width and Height are those a viewer sees, in pixels.
	Width  int `json:"width" example:"4000"`
	Height int `json:"height" example:"3000"`
	// Bytes is the length of the content.
	Bytes int `json:"bytes" example:"3145728"`
	// Status says how far the thumbnails are: pending.
	Status string `json:"status" example:"pending"`
}

// UploadImageResponse is the answer of POST /images.
type UploadImageResponse = app.Response[UploadImageData]

// ImageUploaded is announced when an image is stored.
type ImageUploaded struct {
	ID int64 `json:"id"`
	// Type is the media type.
	Type   string `json:"type"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Topic implements app.Event.
func (ImageUploaded) Topic() string { return "image.uploaded" }

// Key implements app.Keyed: what is announced of one image is handled in order.
func (e ImageUploaded) Key() string { return strconv.FormatInt(e.ID, 10) }

// UploadImage is the plugin that serves POST /images.
var UploadImage = app.Plugin[*UploadImagePlugin]("media.upload_image", NewUploadImagePlugin)

// UploadImagePlugin stores images.
type UploadImagePlugin struct {
	db     *gorm.DB
	images *imagestore.Store
	bus    app.Bus
	pool   app.Pool
}

// NewUploadImagePlugin takes what the plugin needs; Fx resolves it by type.
func NewUploadImagePlugin(db *gorm.DB, images *imagestore.Store, bus app.Bus, pool app.Pool) *UploadImagePlugin {
	return &UploadImagePlugin{db: db, images: images, bus: bus, pool: pool}
}

// OnBoot registers what the plugin serves and announces.
func (p *UploadImagePlugin) OnBoot(b *app.Boot) {
	b.POST("/images", app.Handle(p.Execute), app.Tags("Images"), app.Status(http.StatusCreated), app.BodyLimit(imageBodyLimit))
	b.Publishes(ImageUploaded{})
}

// Execute stores an image and announces it, both or neither. An image is stored when all of it can be decoded, which
// is work for the pool.
//
//	@ID				media.upload_image
//	@Summary		Upload an image
//	@Description	Stores a PNG, JPEG or WebP of at most 8 MiB and 40 megapixels, and announces image.uploaded, both or neither. Its thumbnails are made in the background. What the content is decides; a name or a Content-Type that says otherwise is refused.
//	@Tags			Images
//	@Accept			mpfd
//	@Produce		json
//	@Param			image										formData	file	true	"The image"
//	@Success		201											{object}	UploadImageResponse
//	@Header			201											{string}	Location	"The path of the new image"
//	@Failure		400,403,408,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Router			/images [post]
func (p *UploadImagePlugin) Execute(ctx context.Context, req UploadImageRequest) (UploadImageData, error) {
	content := req.Image.Content
	info, err := inspected(req.Image)
	if err != nil {
		return UploadImageData{}, err
	}
	if _, err := app.Compute(ctx, p.pool, func(job app.Job) (app.Empty, error) {
		if err := job.Reserve(info.Memory); err != nil {
			return app.Empty{}, err
		}
		return app.Empty{}, forCaller(imaging.Check(job.Done(), content))
	}); err != nil {
		return UploadImageData{}, err
	}
	var image models.Image
	err = app.InTx(ctx, p.db, func(ctx context.Context) (err error) {
		if image, err = p.images.Add(ctx, info, content); err != nil {
			return err
		}
		return p.bus.Publish(ctx, ImageUploaded{ID: image.ID, Type: image.Format, Width: image.Width, Height: image.Height})
	})
	if err != nil {
		return UploadImageData{}, fmt.Errorf("upload image: %w", err)
	}
	app.SetHeader(ctx, "Location", fmt.Sprintf("/images/%d", image.ID))
	return UploadImageData{
		ID: image.ID, Type: image.Format, Width: image.Width, Height: image.Height, Bytes: image.Bytes, Status: string(image.Status),
	}, nil
}

const (
	// maxImageBytes is the largest image, in bytes.
	maxImageBytes = 8 << 20
	// imageBodyLimit leaves room for the form around the image.
	imageBodyLimit = maxImageBytes + 64<<10
)

// inspected checks what can be told of an uploaded file without decoding it: its length, its header, and whether what
// it claims to be is what it is. The error is one for the caller.
func inspected(file *app.File) (imaging.Info, error) {
	if len(file.Content) > maxImageBytes {
		return imaging.Info{}, app.Errorf(app.TooLarge, "the image is larger than %d bytes", maxImageBytes)
	}
	info, err := imaging.Inspect(file.Content)
	if err == nil {
		err = info.Format.CheckClaims(file.Name, file.ContentType)
	}
	return info, forCaller(err)
}

// reserve reserves what it takes to decode content, in the job that does so. What [imaging.Inspect] refuses takes nothing.
func reserve(job app.Job, content []byte) error {
	info, err := imaging.Inspect(content)
	if err != nil {
		return nil //nolint:nilerr // whoever decodes it is told so too
	}
	return job.Reserve(info.Memory)
}

// forCaller turns a refusal into an error for the caller; other errors stay what they are.
func forCaller(err error) error {
	var refusal *imaging.Refusal
	switch {
	case !errors.As(err, &refusal):
		return err
	case refusal.Reason == imaging.Unsupported:
		return app.Errorf(app.UnsupportedType, "image %s", refusal.Message)
	default:
		return app.Violations{{Field: "image", Rule: refusal.Reason.String(), Message: refusal.Message}}
	}
}
