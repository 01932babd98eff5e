package plugins

import (
	"context"
	"net/http"
	"time"

	"plugboard/app"
	"plugboard/domains/accounts/sessions"
)

// MySessionsItem is one session of the caller.
type MySessionsItem struct {
	ID string `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	// Current is true for the session that asks.
	Current    bool      `json:"current" example:"true"`
	SignedInAt time.Time `json:"signed_in_at" example:"2026-01-31T12:00:00Z"`
	// UsedAt is when the session was last used, to the minute.
	UsedAt    time.Time `json:"used_at" example:"2026-01-31T12:00:00Z"`
	ExpiresAt time.Time `json:"expires_at" example:"2026-03-02T12:00:00Z"`
	// Address and UserAgent are those of the sign-in.
	Address   string `json:"address" example:"192.0.2.7"`
	UserAgent string `json:"user_agent" example:"Mozilla/5.0"`
}

// MySessionsData are the sessions of the caller that hold, the latest sign-in first.
type MySessionsData struct {
	Items []MySessionsItem `json:"items"`
}

// MySessionsResponse is the answer of GET /accounts/me/sessions.
type MySessionsResponse = app.Response[MySessionsData]

// EndSessionRequest names the session of DELETE /accounts/me/sessions/{id}.
type EndSessionRequest struct {
	ID string `uri:"id" json:"-" binding:"uuid" example:"0198c0de-0000-7000-8000-000000000001"`
}

// MySessions is the plugin that serves /accounts/me/sessions.
var MySessions = app.Plugin[*MySessionsPlugin]("accounts.my_sessions", NewMySessionsPlugin)

// MySessionsPlugin shows users where they are signed in, and ends sessions.
type MySessionsPlugin struct {
	sessions *sessions.Store
}

// NewMySessionsPlugin takes what the plugin needs; Fx resolves it by type.
func NewMySessionsPlugin(store *sessions.Store) *MySessionsPlugin {
	return &MySessionsPlugin{sessions: store}
}

// OnBoot registers what the plugin serves.
func (p *MySessionsPlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/me/sessions", app.Handle(p.Execute), app.SignedIn(), people(), app.Tags("Accounts"), app.Fails(app.Forbidden))
	b.DELETE("/accounts/me/sessions/:id", app.Handle(p.End), app.SignedIn(), people(), app.Status(http.StatusNoContent), app.Tags("Accounts"),
		app.Fails(app.Forbidden, app.NotFound))
	b.DELETE("/accounts/me/sessions", app.Handle(p.EndOthers), app.SignedIn(), people(), app.Status(http.StatusNoContent), app.Tags("Accounts"),
		app.Fails(app.Forbidden))
}

// currentSession returns the id of the session that makes the request, "" when it is none.
func currentSession(ctx context.Context) string { return sessions.Of(caller(ctx)) }

// Execute returns the sessions of the caller.
//
//	@ID			accounts.my_sessions
//	@Summary	Returns the sessions of the caller
//	@Tags		Accounts
//	@Produce	json
//	@Success	200							{object}	MySessionsResponse
//	@Failure	400,401,403,421,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me/sessions [get]
//
//plug:derived ca79d9e6
func (p *MySessionsPlugin) Execute(ctx context.Context, _ app.Empty) (MySessionsData, error) {
	all, err := p.sessions.List(ctx, caller(ctx).ID)
	if err != nil {
		return MySessionsData{}, err
	}
	data, current := MySessionsData{Items: make([]MySessionsItem, len(all))}, currentSession(ctx)
	for i, s := range all {
		data.Items[i] = MySessionsItem{
			ID: s.ID, Current: s.ID == current, SignedInAt: s.SignedInAt, UsedAt: s.UsedAt, ExpiresAt: s.ExpiresAt, Address: s.Address, UserAgent: s.UserAgent,
		}
	}
	return data, nil
}

// End ends a session of the caller, which may be the one that asks. Of the sessions of others the caller does not learn.
//
//	@ID				accounts.my_sessions.end
//	@Summary		Ends a session of the caller, which may be the one that asks
//	@Description	Of the sessions of others the caller does not learn.
//	@Tags			Accounts
//	@Produce		json
//	@Param			id										path	string	true	"The id"	format(uuid)
//	@Success		204										"No Content"
//	@Failure		400,401,403,404,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/me/sessions/{id} [delete]
//
//plug:derived eab4d017
func (p *MySessionsPlugin) End(ctx context.Context, req EndSessionRequest) (app.Empty, error) {
	ended, err := p.sessions.End(ctx, caller(ctx).ID, req.ID)
	switch {
	case err != nil:
		return app.Empty{}, err
	case !ended:
		return app.Empty{}, app.Errorf(app.NotFound, "you have no such session")
	case req.ID == currentSession(ctx):
		return app.Empty{}, p.sessions.ClearCookie(ctx)
	}
	return app.Empty{}, p.sessions.DropEmailChanges(ctx, caller(ctx).ID) // it may have been somebody else's, who asked for another address
}

// EndOthers ends all sessions of the caller but the one that asks.
//
//	@ID			accounts.my_sessions.endothers
//	@Summary	Ends all sessions of the caller but the one that asks
//	@Tags		Accounts
//	@Produce	json
//	@Success	204								"No Content"
//	@Failure	400,401,403,421,500,503,504,507	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me/sessions [delete]
//
//plug:derived fb338dd6
func (p *MySessionsPlugin) EndOthers(ctx context.Context, _ app.Empty) (app.Empty, error) {
	return app.Empty{}, p.sessions.EndAll(ctx, caller(ctx).ID, currentSession(ctx))
}
