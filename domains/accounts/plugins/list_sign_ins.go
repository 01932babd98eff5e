package plugins

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// ListSignInsRequest says whose sign-ins GET /accounts/users/{id}/sign-ins returns.
type ListSignInsRequest struct {
	app.PageQuery
	ID string `uri:"id" json:"-" binding:"uuid" example:"0198c0de-0000-7000-8000-000000000001"`
}

// ListMySignInsRequest says which page GET /accounts/me/sign-ins returns.
type ListMySignInsRequest struct {
	app.PageQuery
}

// ListSignInsItem is one sign-in, or an attempt at one.
type ListSignInsItem struct {
	ID string `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	// Outcome is "signed in", "wrong password", "disabled", or "not linked" for a sign-in with a provider to which the user is not linked. Attempts beyond
	// a limit are not recorded.
	Outcome string `json:"outcome" example:"signed in"`
	// Method is "password", or "provider" for a sign-in with an identity provider.
	Method    string    `json:"method" example:"password"`
	Address   string    `json:"address" example:"192.0.2.7"`
	UserAgent string    `json:"user_agent" example:"Mozilla/5.0"`
	At        time.Time `json:"at" example:"2026-01-31T12:00:00Z"`
}

// ListSignInsData is one page of sign-ins.
type ListSignInsData = app.Page[ListSignInsItem]

// ListSignInsResponse is the answer of GET /accounts/users/{id}/sign-ins.
type ListSignInsResponse = app.Response[ListSignInsData]

// ListSignIns is the plugin that serves GET /accounts/users/{id}/sign-ins and GET /accounts/me/sign-ins.
var ListSignIns = app.Plugin[*ListSignInsPlugin]("accounts.list_sign_ins", NewListSignInsPlugin)

// ListSignInsPlugin reads the record of sign-ins.
type ListSignInsPlugin struct {
	db *gorm.DB
}

// NewListSignInsPlugin takes what the plugin needs; Fx resolves it by type.
func NewListSignInsPlugin(db *gorm.DB) *ListSignInsPlugin {
	return &ListSignInsPlugin{db: db}
}

// OnBoot registers what the plugin serves.
func (p *ListSignInsPlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/users/:id/sign-ins", app.Handle(p.Execute), app.Can(ReadUsers), app.Tags("Accounts"), app.Fails(app.NotFound))
	b.GET("/accounts/me/sign-ins", app.Handle(p.Mine), app.SignedIn(), people(), app.Tags("Accounts"), app.Fails(app.Forbidden))
}

// Execute returns one page of a user's sign-ins, the latest first.
//
//	@ID			accounts.list_sign_ins
//	@Summary	Returns one page of a user's sign-ins, the latest first
//	@Tags		Accounts
//	@Produce	json
//	@Param		limit								query		integer	false	"The most entries to return"								default(20)	minimum(1)	maximum(100)
//	@Param		cursor								query		string	false	"The 'next' of the page before; without it the list begins"	maxlength(4096)
//	@Param		offset								query		integer	false	"The number of entries to skip"								default(0)	minimum(0)	maximum(10000)
//	@Param		total								query		boolean	false	"Asks for the number of entries on all pages, counted up to 10,000"
//	@Param		id									path		string	true	"The id"	format(uuid)
//	@Success	200									{object}	ListSignInsResponse
//	@Failure	400,401,403,404,421,422,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/users/{id}/sign-ins [get]
//
//plug:derived d8dc9f04
func (p *ListSignInsPlugin) Execute(ctx context.Context, req ListSignInsRequest) (ListSignInsData, error) {
	if _, err := findUser(ctx, p.db, req.ID); err != nil {
		return ListSignInsData{}, err
	}
	return p.find(ctx, req.ID, req.PageQuery)
}

// Mine returns one page of the caller's sign-ins, the latest first, so that they see what was not them.
//
//	@ID			accounts.list_sign_ins.mine
//	@Summary	Returns one page of the caller's sign-ins, the latest first, so that they see what was not them
//	@Tags		Accounts
//	@Produce	json
//	@Param		limit							query		integer	false	"The most entries to return"								default(20)	minimum(1)	maximum(100)
//	@Param		cursor							query		string	false	"The 'next' of the page before; without it the list begins"	maxlength(4096)
//	@Param		offset							query		integer	false	"The number of entries to skip"								default(0)	minimum(0)	maximum(10000)
//	@Param		total							query		boolean	false	"Asks for the number of entries on all pages, counted up to 10,000"
//	@Success	200								{object}	ListSignInsResponse
//	@Failure	400,401,403,421,422,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me/sign-ins [get]
//
//plug:derived 8dab75a0
func (p *ListSignInsPlugin) Mine(ctx context.Context, req ListMySignInsRequest) (ListSignInsData, error) {
	return p.find(ctx, caller(ctx).ID, req.PageQuery)
}

func (p *ListSignInsPlugin) find(ctx context.Context, userID string, page app.PageQuery) (ListSignInsData, error) {
	query := p.db.WithContext(ctx).Model(&models.SignIn{}).Where("user_id = ?", userID)
	found, err := app.FindPage[ListSignInsItem](query, page, "-id")
	if err != nil {
		return found, fmt.Errorf("list sign-ins: %w", err)
	}
	return found, nil
}
