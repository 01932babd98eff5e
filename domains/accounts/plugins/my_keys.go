package plugins

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/rights"
	"plugboard/domains/accounts/sessions"
)

// NewKeyRequest is the body of POST /accounts/me/keys.
type NewKeyRequest struct {
	// Name says what the key is for.
	Name string `json:"name" binding:"required,max=100,notblank" example:"nightly export"`
	// Scopes are the permissions that the key may use, all of them the caller's own.
	Scopes []string `json:"scopes" binding:"required,min=1,max=100,unique,dive,max=200" checks:"permission=are permissions of this service" example:"accounts.read_users"`
	// ExpiresInDays is how many days the key holds.
	ExpiresInDays int `json:"expires_in_days" default:"90" binding:"min=1,max=365" example:"90"`
}

// NewKeyData is the new key. The token is shown this once.
type NewKeyData struct {
	ID     string   `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	Name   string   `json:"name" example:"nightly export"`
	Scopes []string `json:"scopes" example:"orders.read"`
	// Token is for the header Authorization: "Bearer <token>".
	Token     string    `json:"token" example:"pbk_…"` //plug:allow secrets its owner gets it this once, and only its hash is stored
	CreatedAt time.Time `json:"created_at" example:"2026-01-31T12:00:00Z"`
	ExpiresAt time.Time `json:"expires_at" example:"2026-05-01T12:00:00Z"`
}

// NewKeyResponse is the answer of POST /accounts/me/keys.
type NewKeyResponse = app.Response[NewKeyData]

// MyKeysItem is one key of the caller, without its token, which nobody can show again.
type MyKeysItem struct {
	ID        string    `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	Name      string    `json:"name" example:"nightly export"`
	Scopes    []string  `json:"scopes" example:"orders.read"`
	CreatedAt time.Time `json:"created_at" example:"2026-01-31T12:00:00Z"`
	ExpiresAt time.Time `json:"expires_at" example:"2026-05-01T12:00:00Z"`
	// UsedAt is when the key was last used, to the minute; null before that.
	UsedAt *time.Time `json:"used_at" example:"2026-01-31T12:00:00Z"`
}

// MyKeysData are all keys of the caller, the newest first.
type MyKeysData struct {
	Items []MyKeysItem `json:"items"`
}

// MyKeysResponse is the answer of GET /accounts/me/keys.
type MyKeysResponse = app.Response[MyKeysData]

// DeleteKeyRequest names the key of DELETE /accounts/me/keys/{id}.
type DeleteKeyRequest struct {
	ID string `uri:"id" json:"-" binding:"uuid" example:"0198c0de-0000-7000-8000-000000000001"`
}

// mostKeys is how many keys a user may have.
const mostKeys = 100

// MyKeys is the plugin that serves /accounts/me/keys.
var MyKeys = app.Plugin[*MyKeysPlugin]("accounts.my_keys", NewMyKeysPlugin)

// MyKeysPlugin lets users make keys for their programs.
type MyKeysPlugin struct {
	db          *gorm.DB
	sessions    *sessions.Store
	clock       app.Clock
	permissions app.Permissions
}

// NewMyKeysPlugin takes what the plugin needs; Fx resolves it by type.
func NewMyKeysPlugin(db *gorm.DB, store *sessions.Store, clock app.Clock, permissions app.Permissions) *MyKeysPlugin {
	return &MyKeysPlugin{db: db, sessions: store, clock: clock, permissions: permissions}
}

// OnBoot registers what the plugin serves.
func (p *MyKeysPlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/me/keys", app.Handle(p.Execute), app.SignedIn(), people(), app.Tags("Accounts"), app.Fails(app.Forbidden))
	b.POST("/accounts/me/keys", app.Handle(p.New), app.SignedIn(), app.Fresh(fresh), people(), app.Status(http.StatusCreated), app.Tags("Accounts"),
		app.Fails(app.Forbidden, app.NotFound, app.Conflict))
	b.DELETE("/accounts/me/keys/:id", app.Handle(p.Delete), app.SignedIn(), people(), app.Status(http.StatusNoContent), app.Tags("Accounts"),
		app.Fails(app.Forbidden, app.NotFound))
}

// people refuses programs with a key: one that was stolen must not make another, nor see or end its owner's sessions.
func people() app.EndpointOption {
	return app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
		// A session that a provider began may not say when the user signed in.
		if caller(ctx).SignedInAt.IsZero() && currentSession(ctx) == "" {
			return ctx, app.Errorf(app.Forbidden, "this is for somebody who has signed in; an API key cannot do it")
		}
		return ctx, nil
	})
}

// Execute returns the keys of the caller, also those that are over, until they are deleted.
//
//	@ID			accounts.my_keys
//	@Summary	Returns the keys of the caller, also those that are over, until they are deleted
//	@Tags		Accounts
//	@Produce	json
//	@Success	200							{object}	MyKeysResponse
//	@Failure	400,401,403,421,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/me/keys [get]
//
//plug:derived ae72b4f3
func (p *MyKeysPlugin) Execute(ctx context.Context, _ app.Empty) (MyKeysData, error) {
	var keys []models.Key
	err := p.db.WithContext(ctx).Omit("token_hash").Where("user_id = ?", caller(ctx).ID).Order("id DESC").Find(&keys).Error
	if err != nil {
		return MyKeysData{}, fmt.Errorf("list keys: %w", err)
	}
	data := MyKeysData{Items: make([]MyKeysItem, len(keys))}
	for i, key := range keys {
		data.Items[i] = MyKeysItem{
			ID: key.ID, Name: key.Name, Scopes: strings.Fields(key.Scopes), CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt, UsedAt: key.UsedAt,
		}
	}
	return data, nil
}

// New makes a key and shows it this once. The key may do what its owner may at the time of its use, within its scopes.
//
//	@ID				accounts.my_keys.new
//	@Summary		Makes a key and shows it this once
//	@Description	The key may do what its owner may at the time of its use, within its scopes.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			body													body		NewKeyRequest	true	"The body of POST /accounts/me/keys"
//	@Success		201														{object}	NewKeyResponse
//	@Failure		400,401,403,404,408,409,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/me/keys [post]
//
//plug:derived 809a44d6
func (p *MyKeysPlugin) New(ctx context.Context, req NewKeyRequest) (data NewKeyData, err error) {
	who := caller(ctx)
	if err := rights.Declared(p.permissions, "scopes", req.Scopes); err != nil {
		return data, err
	}
	if missing, lacks := rights.Lacking(who, req.Scopes); lacks {
		return data, app.Errorf(app.Forbidden, "you do not have the permission %s yourself", missing)
	}
	const day = 24 * time.Hour
	scopes := slices.Sorted(slices.Values(req.Scopes))
	key := models.Key{
		UserID: who.ID, Name: strings.TrimSpace(req.Name), Scopes: strings.Join(scopes, " "),
		ExpiresAt: p.clock.Now().Add(time.Duration(req.ExpiresInDays) * day),
	}
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		if err := p.checkRoom(ctx, who.ID); err != nil {
			return err
		}
		if _, err := rights.Renew(ctx, p.db, who, ""); err != nil {
			return err // a session that was ended since the request began leaves no key behind
		}
		stored, token, err := p.sessions.NewKey(ctx, key)
		data = NewKeyData{
			ID: stored.ID, Name: stored.Name, Scopes: scopes, Token: token, CreatedAt: stored.CreatedAt, ExpiresAt: stored.ExpiresAt,
		}
		return err
	})
	if err != nil {
		return NewKeyData{}, fmt.Errorf("make key: %w", err)
	}
	return data, nil
}

// checkRoom refuses a user who has all the keys that one may have. The lock makes requests at the same time count one after the other.
func (p *MyKeysPlugin) checkRoom(ctx context.Context, userID string) error {
	var user models.User
	found := p.db.WithContext(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Select("id").Where("id = ?", userID).Limit(1).Find(&user)
	switch {
	case found.Error != nil:
		return fmt.Errorf("lock user: %w", found.Error)
	case found.RowsAffected == 0:
		return app.Errorf(app.NotFound, "there is no such user")
	}
	var n int64
	if err := p.db.WithContext(ctx).Model(&models.Key{}).Where("user_id = ?", userID).Count(&n).Error; err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	if n >= mostKeys {
		return app.Errorf(app.Conflict, "you have %d keys, which is the most; delete one first", n)
	}
	return nil
}

// Delete ends a key of the caller at once. Of the keys of others the caller does not learn.
//
//	@ID				accounts.my_keys.delete
//	@Summary		Ends a key of the caller at once
//	@Description	Of the keys of others the caller does not learn.
//	@Tags			Accounts
//	@Produce		json
//	@Param			id										path	string	true	"The id"	format(uuid)
//	@Success		204										"No Content"
//	@Failure		400,401,403,404,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/me/keys/{id} [delete]
//
//plug:derived aa6e1cbb
func (p *MyKeysPlugin) Delete(ctx context.Context, req DeleteKeyRequest) (app.Empty, error) {
	deleted := p.db.WithContext(ctx).Where("id = ? AND user_id = ?", req.ID, caller(ctx).ID).Delete(&models.Key{})
	switch {
	case deleted.Error != nil:
		return app.Empty{}, fmt.Errorf("delete key: %w", deleted.Error)
	case deleted.RowsAffected == 0:
		return app.Empty{}, app.Errorf(app.NotFound, "you have no such key")
	}
	return app.Empty{}, nil
}
