package plugins

import (
	"plugboard/app"
	"plugboard/domains/media/imaging"
)

// FingerprintImageRequest is the form of POST /images/fingerprint.
type FingerprintImageRequest struct {
	// Image is a PNG, JPEG or WebP of at most 8 MiB.
	Image *app.File `form:"image" json:"-" binding:"required" checks:"claim=is what its name and media type say; pixels=is not too large to be decoded; damaged=is whole"`
}

// FingerprintImageData is what the image looks like.
type FingerprintImageData struct {
	// Fingerprint has 64 bits; images that look alike differ in few of them.
	Fingerprint string `json:"fingerprint" example:"f0e4c2c6a6b2d8cc"`
	Type        string `json:"type" example:"image/jpeg"`
	// Width and Height are those a viewer sees, in pixels.
	Width  int `json:"width" example:"4000"`
	Height int `json:"height" example:"3000"`
}

// FingerprintImageResponse is the answer of POST /images/fingerprint.
type FingerprintImageResponse = app.Response[FingerprintImageData]

// FingerprintImage is the plugin that serves POST /images/fingerprint.
var FingerprintImage = app.Plugin[*FingerprintImagePlugin]("media.fingerprint_image", NewFingerprintImagePlugin)

// FingerprintImagePlugin computes fingerprints. It needs nothing.
type FingerprintImagePlugin struct{}

// NewFingerprintImagePlugin takes what the plugin needs; Fx resolves it by type.
func NewFingerprintImagePlugin() *FingerprintImagePlugin { return &FingerprintImagePlugin{} }

// OnBoot registers what the plugin serves.
func (p *FingerprintImagePlugin) OnBoot(b *app.Boot) {
	b.POST("/images/fingerprint", app.HandleCPU(p.Execute), app.Tags("Images"), app.BodyLimit(imageBodyLimit))
}

// Execute computes the fingerprint of the image sent. It is CPU-bound: it takes a job and runs on the work pool.
//
//	@ID				media.fingerprint_image
//	@Summary		Compute an image's fingerprint
//	@Description	A perceptual hash (dHash): compare two by the number of bits in which they differ; up to about ten of 64, the images look alike. The image is not kept.
//	@Tags			Images
//	@Accept			mpfd
//	@Produce		json
//	@Param			image									formData	file	true	"The image"
//	@Success		200										{object}	FingerprintImageResponse
//	@Failure		400,403,408,413,415,421,422,500,503,504	{object}	app.Failure
//	@Router			/images/fingerprint [post]
func (p *FingerprintImagePlugin) Execute(job app.Job, req FingerprintImageRequest) (FingerprintImageData, error) {
	info, err := inspected(req.Image)
	if err != nil {
		return FingerprintImageData{}, err
	}
	if err := job.Reserve(info.Memory); err != nil {
		return FingerprintImageData{}, err
	}
	fingerprint, _, err := imaging.FingerprintOf(job.Done(), req.Image.Content)
	if err != nil {
		return FingerprintImageData{}, forCaller(err)
	}
	return FingerprintImageData{
		Fingerprint: fingerprint.String(), Type: string(info.Format), Width: info.Width, Height: info.Height,
	}, nil
}
