// Package throttle counts attempts in the database, so that all replicas of the service count together.
//
// It is the algorithm GCRA, the leaky bucket as a meter (ITU-T I.371, annex A): for each name the time is kept at which its limit is
// unused again. One statement takes an attempt, so that attempts at the same time cannot pass together.
package throttle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// Limit is how many attempts there may be at once, and how long it takes until one more is allowed.
type Limit struct {
	Attempts int
	Each     time.Duration
}

// Throttle counts. It is safe for concurrent use. Make it with [New].
type Throttle struct {
	db    *gorm.DB
	clock app.Clock
}

// New returns a throttle that counts in db.
func New(db *gorm.DB, clock app.Clock) *Throttle { return &Throttle{db: db, clock: clock} }

// Take counts an attempt under a name. Beyond the limit the error is [app.TooMany], which says when to try again, and the attempt does not
// count. Names are stored as hashes, since they contain addresses.
func (t *Throttle) Take(ctx context.Context, name string, limit Limit) error {
	now, each, hash := t.clock.Now().UnixMicro(), limit.Each.Microseconds(), hashOf(name)
	latest := now + each*int64(limit.Attempts)
	taken := t.db.WithContext(ctx).Exec(`INSERT INTO accounts_throttles (full_at, name_hash) VALUES (?, ?)
		ON CONFLICT (name_hash) DO UPDATE SET full_at = CASE WHEN accounts_throttles.full_at > ? THEN accounts_throttles.full_at ELSE ? END + ?
		WHERE CASE WHEN accounts_throttles.full_at > ? THEN accounts_throttles.full_at ELSE ? END + ? <= ?`,
		now+each, hash, now, now, each, now, now, each, latest) // gorm takes bytes behind a parenthesis for a list
	if taken.Error != nil {
		return fmt.Errorf("count attempt: %w", taken.Error)
	}
	if taken.RowsAffected > 0 {
		return nil
	}
	var row models.Throttle
	if err := t.db.WithContext(ctx).Where("name_hash = ?", hash).Limit(1).Find(&row).Error; err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	refusal := app.Errorf(app.TooMany, "too many attempts; try again later")
	refusal.RetryAfter = max(time.Duration(row.FullAt+each-latest)*time.Microsecond, time.Second)
	return refusal
}

// GiveBack takes the last attempt under a name back, because it was a good one.
func (t *Throttle) GiveBack(ctx context.Context, name string, limit Limit) error {
	err := t.db.WithContext(ctx).Model(&models.Throttle{}).Where("name_hash = ?", hashOf(name)).
		Update("full_at", gorm.Expr("full_at - ?", limit.Each.Microseconds())).Error
	if err != nil {
		return fmt.Errorf("give attempt back: %w", err)
	}
	return nil
}

func hashOf(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}
