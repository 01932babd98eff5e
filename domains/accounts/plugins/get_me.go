package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// GetMeData is what the caller learns about itself.
type GetMeData struct {
	ID    string `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	Email string `json:"email" example:"ada@example.org"`
	Name  string `json:"name" example:"Ada"`
	// Permissions are what this session or key may do; "*" is everything.
	Permissions []string  `json:"permissions" example:"orders.read"`
	CreatedAt   time.Time `json:"created_at" example:"2026-01-31T12:00:00Z"`
}

// GetMeResponse is the answer of GET /accounts/me.
type GetMeResponse = app.Response[GetMeData]

// GetMe is the plugin that serves GET /accounts/me.
var GetMe = app.Plugin[*GetMePlugin]("accounts.get_me", NewGetMePlugin)

// GetMePlugin tells callers who they are.
type GetMePlugin struct {
	db *gorm.DB
}

// NewGetMePlugin takes what the plugin needs; Fx resolves it by type.
func NewGetMePlugin(db *gorm.DB) *GetMePlugin { return &GetMePlugin{db: db} }

// OnBoot registers what the plugin serves.
func (p *GetMePlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/me", app.Handle(p.Execute), app.SignedIn(), app.Tags("Accounts"), app.Fails(app.NotFound))
}

// Execute returns the user that the caller is, or whose key it has.
//
//	@ID			accounts.get_me
//	@Summary	Returns the user that the caller is, or whose key it has
//	@Tags		Accounts
//	@Produce	json
//	@Success	200							{object}	GetMeResponse
//	@Failure	400,401,404,421,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me [get]
//
//plug:derived ffc53145
func (p *GetMePlugin) Execute(ctx context.Context, _ app.Empty) (GetMeData, error) {
	who := caller(ctx)
	user, err := findUser(ctx, p.db, who.ID)
	if err != nil {
		return GetMeData{}, err
	}
	return GetMeData{
		ID: user.ID, Email: user.Email, Name: user.Name, Permissions: append([]string{}, who.Permissions...), CreatedAt: user.CreatedAt,
	}, nil
}

// findUser returns a user. Without such a user the error is [app.NotFound].
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
