// Package plugins has the plugins of the accounts domain, one file each.
package plugins

// This file stands in for register.go, send_mail.go, get_me.go and doc.go, which have these declarations: delete it where those are.

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

const fresh = 10 * time.Minute

// MailRequested is announced when somebody is to get a mail from this domain.
type MailRequested struct {
	Purpose models.Purpose `json:"purpose"`
	Email   string         `json:"email"`
	UserID  string         `json:"user_id"`
	Roles   []string       `json:"roles"`
	Invited bool           `json:"invited"`
}

// Topic implements app.Event.
func (MailRequested) Topic() string { return "account.mail_requested" }

// Key implements app.Keyed.
func (e MailRequested) Key() string { return e.Email }

// UserRegistered is announced when there is a new user.
type UserRegistered struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserRegistered) Topic() string { return "user.registered" }

// Key implements app.Keyed.
func (e UserRegistered) Key() string { return e.ID }

func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func caller(ctx context.Context) app.Principal {
	p, _ := app.PrincipalFrom(ctx)
	return p
}

func findUser(ctx context.Context, db *gorm.DB, id string) (user models.User, err error) {
	found := db.WithContext(ctx).Where("id = ?", id).Limit(1).Find(&user)
	switch {
	case found.Error != nil:
		return user, fmt.Errorf("find user: %w", found.Error)
	case found.RowsAffected == 0:
		return user, app.Errorf(app.NotFound, "there is no such user")
	}
	return user, nil
}

func giveRoles(ctx context.Context, db *gorm.DB, userID string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var roles []models.Role
	if err := db.WithContext(ctx).Where("name IN ?", names).Find(&roles).Error; err != nil {
		return fmt.Errorf("find roles: %w", err)
	}
	rows := make([]models.UserRole, len(roles))
	for i, role := range roles {
		rows[i] = models.UserRole{UserID: userID, Role: role.Name}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error; err != nil {
		return fmt.Errorf("insert roles of user: %w", err)
	}
	return nil
}
