package plugins

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// MyIdentitiesItem is an account at an identity provider that is linked to the caller.
type MyIdentitiesItem struct {
	// Issuer is the provider, Subject what it calls the caller.
	Issuer    string    `json:"issuer" example:"https://login.example.org"`
	Subject   string    `json:"subject" example:"248289761001"`
	CreatedAt time.Time `json:"created_at" example:"2026-01-31T12:00:00Z"`
}

// MyIdentitiesData are all accounts that are linked to the caller, the newest first.
type MyIdentitiesData struct {
	Items []MyIdentitiesItem `json:"items"`
}

// MyIdentitiesResponse is the answer of GET /accounts/me/identities.
type MyIdentitiesResponse = app.Response[MyIdentitiesData]

// MyIdentities is the plugin that serves /accounts/me/identities.
var MyIdentities = app.Plugin[*MyIdentitiesPlugin]("accounts.my_identities", NewMyIdentitiesPlugin)

// MyIdentitiesPlugin shows users with which accounts of a provider they sign in, and unlinks these: somebody else may have linked one of
// theirs, with a session that they had stolen.
type MyIdentitiesPlugin struct {
	db *gorm.DB
}

// NewMyIdentitiesPlugin takes what the plugin needs; Fx resolves it by type.
func NewMyIdentitiesPlugin(db *gorm.DB) *MyIdentitiesPlugin { return &MyIdentitiesPlugin{db: db} }

// OnBoot registers what the plugin serves.
func (p *MyIdentitiesPlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/me/identities", app.Handle(p.Execute), app.SignedIn(), people(), app.Tags("Accounts"), app.Fails(app.Forbidden))
	b.DELETE("/accounts/me/identities", app.Handle(p.Unlink), app.SignedIn(), people(), app.Status(http.StatusNoContent), app.Tags("Accounts"),
		app.Fails(app.Forbidden))
}

// Execute returns the accounts of a provider with which the caller may sign in.
//
//	@ID			accounts.my_identities
//	@Summary	Returns the accounts of a provider with which the caller may sign in
//	@Tags		Accounts
//	@Produce	json
//	@Success	200							{object}	MyIdentitiesResponse
//	@Failure	400,401,403,421,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me/identities [get]
//
//plug:derived 7ac5abcd
func (p *MyIdentitiesPlugin) Execute(ctx context.Context, _ app.Empty) (MyIdentitiesData, error) {
	data := MyIdentitiesData{Items: []MyIdentitiesItem{}}
	err := p.db.WithContext(ctx).Model(&models.Identity{}).Where("user_id = ?", caller(ctx).ID).Order("created_at DESC, issuer, subject").Find(&data.Items).Error
	if err != nil {
		return MyIdentitiesData{}, fmt.Errorf("list identities: %w", err)
	}
	return data, nil
}

// Unlink unlinks all accounts of providers from the caller. Sessions go on. Who has no password gets one by the mail of a reset.
//
//	@ID				accounts.my_identities.unlink
//	@Summary		Unlinks all accounts of providers from the caller
//	@Description	Sessions go on. Who has no password gets one by the mail of a reset.
//	@Tags			Accounts
//	@Produce		json
//	@Success		204								"No Content"
//	@Failure		400,401,403,421,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/me/identities [delete]
//
//plug:derived c9461b76
func (p *MyIdentitiesPlugin) Unlink(ctx context.Context, _ app.Empty) (app.Empty, error) {
	if err := p.db.WithContext(ctx).Where("user_id = ?", caller(ctx).ID).Delete(&models.Identity{}).Error; err != nil {
		return app.Empty{}, fmt.Errorf("delete identities: %w", err)
	}
	return app.Empty{}, nil
}
