package models

// Thumbnail mirrors the table thumbnails.
type Thumbnail struct {
	ImageID int64 `gorm:"primaryKey;autoIncrement:false"`
	// Size is the name of the thumbnail's size: "small", "medium" or "large".
	Size string `gorm:"primaryKey"`
	// Format is the media type.
	Format string `gorm:"not null"`
	Width  int    `gorm:"not null"`
	Height int    `gorm:"not null"`
	// Bytes is the length of the content.
	Bytes int `gorm:"not null"`
	// ETag is a hash of the content.
	ETag    string `gorm:"column:etag;not null"`
	Content []byte `gorm:"not null"`
}
