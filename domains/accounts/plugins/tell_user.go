package plugins

import (
	"context"

	"gorm.io/gorm"

	"plugboard/app"
)

// UserQuery asks for a user, by the id that events and [app.Principal] name. Other domains ask with a struct of their own.
type UserQuery struct {
	ID string `json:"id"`
}

// Topic implements app.Event.
func (UserQuery) Topic() string { return "accounts.user" }

// User is the answer to a [UserQuery].
type User struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

// TellUser is the plugin that answers the query accounts.user.
var TellUser = app.Plugin[*TellUserPlugin]("accounts.tell_user", NewTellUserPlugin)

// TellUserPlugin tells other domains about users.
type TellUserPlugin struct {
	db *gorm.DB
}

// NewTellUserPlugin takes what the plugin needs; Fx resolves it by type.
func NewTellUserPlugin(db *gorm.DB) *TellUserPlugin { return &TellUserPlugin{db: db} }

// OnBoot registers what the plugin answers.
func (p *TellUserPlugin) OnBoot(b *app.Boot) { b.Answer(app.Reply(p.Execute)) }

// Execute returns a user. Without such a user, or when they were deleted, the error is [app.NotFound].
func (p *TellUserPlugin) Execute(ctx context.Context, query UserQuery) (User, error) {
	user, err := findUser(ctx, p.db, query.ID)
	return User{ID: user.ID, Email: user.Email, Name: user.Name, Disabled: user.DisabledAt != nil}, err
}
