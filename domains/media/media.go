// Package media is the media domain: it keeps images with their thumbnails. It makes the thumbnails in the background, and
// finds images that look alike by their fingerprints. Others learn of images by its events image.uploaded and image.ready.
package media

import (
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/domains/media/imagestore"
	"plugboard/domains/media/migrations"
	"plugboard/domains/media/models"
	"plugboard/domains/media/plugins"
)

// Module is the domain. A new plugin is added to this list.
var Module = app.Domain("media",
	app.Migrations(migrations.Files),
	app.Models(models.Image{}, models.ImageContent{}, models.Thumbnail{}),
	fx.Provide(fx.Private, imagestore.New),
	app.Every(app.Public()),

	plugins.UploadImage,
	plugins.CreateThumbnails,
	plugins.GiveUpThumbnails,
	plugins.GetImage,
	plugins.GetImageContent,
	plugins.GetThumbnail,
	plugins.FingerprintImage,
)
