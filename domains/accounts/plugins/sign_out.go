package plugins

import (
	"context"
	"net/http"

	"plugboard/app"
	"plugboard/domains/accounts/sessions"
)

// SignOut is the plugin that serves POST /accounts/sign-out.
var SignOut = app.Plugin[*SignOutPlugin]("accounts.sign_out", NewSignOutPlugin)

// SignOutPlugin ends the session of the request.
type SignOutPlugin struct {
	sessions *sessions.Store
}

// NewSignOutPlugin takes what the plugin needs; Fx resolves it by type.
func NewSignOutPlugin(store *sessions.Store) *SignOutPlugin { return &SignOutPlugin{sessions: store} }

// OnBoot registers what the plugin serves.
func (p *SignOutPlugin) OnBoot(b *app.Boot) {
	b.POST("/accounts/sign-out", app.Handle(p.Execute), app.SignedIn(), app.Status(http.StatusNoContent), app.Tags("Accounts"))
}

// Execute ends the session, in all replicas, and has the browser forget it. A key is not ended by it.
//
//	@ID				accounts.sign_out
//	@Summary		Ends the session, in all replicas, and has the browser forget it
//	@Description	A key is not ended by it.
//	@Tags			Accounts
//	@Produce		json
//	@Success		204								"No Content"
//	@Failure		400,401,403,421,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/sign-out [post]
//
//plug:derived beacfd1b
func (p *SignOutPlugin) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	id := currentSession(ctx)
	if id == "" {
		return app.Empty{}, app.Errorf(app.Forbidden, "a key cannot sign out; delete it instead")
	}
	if _, err := p.sessions.End(ctx, caller(ctx).ID, id); err != nil {
		return app.Empty{}, err
	}
	app.SetHeader(ctx, "Clear-Site-Data", `"cache", "storage"`)
	return app.Empty{}, p.sessions.ClearCookie(ctx)
}
