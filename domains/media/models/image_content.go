package models

// ImageContent mirrors the table image_contents: an image's content as it was sent.
type ImageContent struct {
	ImageID int64  `gorm:"primaryKey;autoIncrement:false"`
	Content []byte `gorm:"not null"`
}
