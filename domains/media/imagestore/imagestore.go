// Package imagestore keeps images with their thumbnails in the database.
//
// An image, its thumbnails and the events about them are committed together, or not at all, whenever the process dies.
package imagestore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/media/imaging"
	"plugboard/domains/media/models"
)

// Store keeps images. Its methods join the transaction of their context. A method that writes more than one row must be
// called in a transaction. It is safe for concurrent use. Make it with [New].
type Store struct {
	db *gorm.DB
	// reads has a token for each piece of content that is being read.
	reads chan struct{}
}

// New returns a store in db.
func New(db *gorm.DB) *Store { return &Store{db: db, reads: make(chan struct{}, readsAtOnce)} }

// Add stores a new image, whose thumbnails are pending. It must be called in [app.InTx].
func (s *Store) Add(ctx context.Context, info imaging.Info, content []byte) (models.Image, error) {
	image := models.Image{
		Format: string(info.Format), Width: info.Width, Height: info.Height,
		Bytes: len(content), ETag: etagOf(content), Status: models.Pending,
	}
	if err := s.db.WithContext(ctx).Create(&image).Error; err != nil {
		return image, fmt.Errorf("insert image: %w", err)
	}
	if err := s.db.WithContext(ctx).Create(&models.ImageContent{ImageID: image.ID, Content: content}).Error; err != nil {
		return image, fmt.Errorf("insert content of image: %w", err)
	}
	return image, nil
}

// Image returns what is known about an image. Without such an image the error is [app.NotFound].
func (s *Store) Image(ctx context.Context, id int64) (models.Image, error) {
	var image models.Image
	err := s.db.WithContext(ctx).Take(&image, id).Error
	return image, found(err, id)
}

// SetThumbnails stores an image's thumbnails, in place of the ones before, and marks it ready. It must be called in
// [app.InTx].
func (s *Store) SetThumbnails(ctx context.Context, id int64, thumbnails []imaging.Thumbnail) error {
	rows := make([]models.Thumbnail, len(thumbnails))
	for i, t := range thumbnails {
		rows[i] = models.Thumbnail{
			ImageID: id, Size: string(t.Size), Format: string(t.Format), Width: t.Width, Height: t.Height,
			Bytes: len(t.Content), ETag: etagOf(t.Content), Content: t.Content,
		}
	}
	if err := s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&rows).Error; err != nil {
		return fmt.Errorf("insert thumbnails: %w", err)
	}
	return s.setStatus(ctx, id, models.Ready, "")
}

// Fail marks an image as one of which there can be no thumbnails; why goes on from "the image".
func (s *Store) Fail(ctx context.Context, id int64, why string) error {
	return s.setStatus(ctx, id, models.Failed, why)
}

// GiveUp is Fail for an image whose thumbnails are pending; any other is left as it is.
func (s *Store) GiveUp(ctx context.Context, id int64, why string) error {
	changes := map[string]any{"status": models.Failed, "failure": why}
	err := s.db.WithContext(ctx).Model(&models.Image{}).Where("id = ? AND status = ?", id, models.Pending).Updates(changes).Error
	if err != nil {
		return fmt.Errorf("update status of image: %w", err)
	}
	return nil
}

func (s *Store) setStatus(ctx context.Context, id int64, status models.Status, failure string) error {
	changes := map[string]any{"status": status, "failure": failure}
	changed := s.db.WithContext(ctx).Model(&models.Image{}).Where("id = ?", id).Updates(changes)
	if changed.Error == nil && changed.RowsAffected == 0 {
		return noImage(id)
	}
	if changed.Error != nil {
		return fmt.Errorf("update status of image: %w", changed.Error)
	}
	return nil
}

// Thumbnails returns what is known about an image's thumbnails, without their content, the smallest size first.
func (s *Store) Thumbnails(ctx context.Context, id int64) ([]models.Thumbnail, error) {
	var thumbnails []models.Thumbnail
	err := s.db.WithContext(ctx).Omit("content").Where("image_id = ?", id).Find(&thumbnails).Error
	if err != nil {
		return nil, fmt.Errorf("list thumbnails: %w", err)
	}
	slices.SortFunc(thumbnails, func(a, b models.Thumbnail) int {
		return cmp.Compare(imaging.Size(a.Size).Longest(), imaging.Size(b.Size).Longest())
	})
	return thumbnails, nil
}

// Thumbnail returns one thumbnail with its content. Without such a thumbnail the error is [app.NotFound].
func (s *Store) Thumbnail(ctx context.Context, id int64, size imaging.Size) (models.Thumbnail, error) {
	var thumbnail models.Thumbnail
	err := s.db.WithContext(ctx).Take(&thumbnail, "image_id = ? AND size = ?", id, string(size)).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return thumbnail, app.Errorf(app.NotFound, "image %d has no %s thumbnail", id, size)
	}
	if err != nil {
		return thumbnail, fmt.Errorf("get thumbnail: %w", err)
	}
	return thumbnail, nil
}

// found turns the error of reading an image's row into one for the caller.
func found(err error, id int64) error {
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return noImage(id)
	case err != nil:
		return fmt.Errorf("get image: %w", err)
	default:
		return nil
	}
}

func noImage(id int64) error { return app.Errorf(app.NotFound, "image %d does not exist", id) }

// etagOf returns a name for exactly this content.
func etagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}
