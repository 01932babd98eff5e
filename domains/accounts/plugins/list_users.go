package plugins

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/accounts/models"
)

// ListUsersRequest says which users GET /accounts/users returns.
type ListUsersRequest struct {
	app.PageQuery
	// Email is the beginning of the address, in any case.
	Email string `form:"email" json:"-" binding:"omitempty,min=2,max=254" example:"ada@"`
	// Role is one that the users have.
	Role string `form:"role" json:"-" binding:"max=64" example:"support"`
	// Disabled asks for those who are disabled, or for those who are not; without it, for both.
	Disabled *bool `form:"disabled" json:"-" example:"false"`
	// Sort is a column, with a minus for descending. By id is by when they registered.
	Sort string `form:"sort" json:"-" binding:"omitempty,oneof=id -id email -email" example:"email"`
}

// ListUsersItem is one user of the list.
type ListUsersItem struct {
	ID    string `json:"id" example:"0198c0de-0000-7000-8000-000000000001"`
	Email string `json:"email" example:"ada@example.org"`
	Name  string `json:"name" example:"Ada"`
	// Roles are sorted.
	Roles []string `json:"roles" example:"support"`
	// DisabledAt is null while the user may sign in.
	DisabledAt *time.Time `json:"disabled_at" example:"2026-01-31T12:00:00Z"`
	CreatedAt  time.Time  `json:"created_at" example:"2026-01-31T12:00:00Z"`
}

// ListUsersData is one page of users.
type ListUsersData = app.Page[ListUsersItem]

// ListUsersResponse is the answer of GET /accounts/users.
type ListUsersResponse = app.Response[ListUsersData]

// ListUsers is the plugin that serves GET /accounts/users.
var ListUsers = app.Plugin[*ListUsersPlugin]("accounts.list_users", NewListUsersPlugin)

// ListUsersPlugin reads pages of users.
type ListUsersPlugin struct {
	db *gorm.DB
}

// NewListUsersPlugin takes what the plugin needs; Fx resolves it by type.
func NewListUsersPlugin(db *gorm.DB) *ListUsersPlugin {
	return &ListUsersPlugin{db: db}
}

// OnBoot registers what the plugin serves.
func (p *ListUsersPlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/users", app.Handle(p.Execute), app.Can(ReadUsers), app.Tags("Accounts"))
}

// Execute returns one page of the users, with their roles.
//
//	@ID			accounts.list_users
//	@Summary	Returns one page of the users, with their roles
//	@Tags		Accounts
//	@Produce	json
//	@Param		limit							query		integer	false	"The most entries to return"								default(20)	minimum(1)	maximum(100)
//	@Param		cursor							query		string	false	"The 'next' of the page before; without it the list begins"	maxlength(4096)
//	@Param		offset							query		integer	false	"The number of entries to skip"								default(0)	minimum(0)	maximum(10000)
//	@Param		total							query		boolean	false	"Asks for the number of entries on all pages, counted up to 10,000"
//	@Param		email							query		string	false	"The beginning of the address, in any case"	minlength(2)	maxlength(254)
//	@Param		role							query		string	false	"One that the users have"					maxlength(64)
//	@Param		disabled						query		boolean	false	"Asks for those who are disabled, or for those who are not; without it, for both"
//	@Param		sort							query		string	false	"A column, with a minus for descending"	Enums(id, -id, email, -email)
//	@Success	200								{object}	ListUsersResponse
//	@Failure	400,401,403,421,422,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/users [get]
//
//plug:derived 48ff2c2a
func (p *ListUsersPlugin) Execute(ctx context.Context, req ListUsersRequest) (ListUsersData, error) {
	query := p.db.WithContext(ctx).Model(&models.User{})
	if email := strings.ToLower(req.Email); email != "" {
		// Contains is what bounds the search, which no index helps; that it is the beginning says the other condition.
		query = query.Where(app.Contains("email", email)).Where("substr(email, 1, ?) = ?", utf8.RuneCountInString(email), email)
	}
	if req.Role != "" {
		query = query.Where("id IN (?)", p.db.WithContext(ctx).Model(&models.UserRole{}).Select("user_id").Where("role = ?", req.Role))
	}
	if req.Disabled != nil && *req.Disabled {
		query = query.Where("disabled_at IS NOT NULL")
	} else if req.Disabled != nil {
		query = query.Where("disabled_at IS NULL")
	}
	page, err := app.FindPage[userColumns](query, req.PageQuery, req.Sort)
	if err != nil {
		return ListUsersData{}, fmt.Errorf("list users: %w", err)
	}
	items, err := p.withRoles(ctx, page.Items)
	return ListUsersData{Items: items, Next: page.Next, Total: page.Total}, err
}

// userColumns are the columns of a user that are shown: no hash of a password is read.
type userColumns struct {
	ID, Email, Name string
	DisabledAt      *time.Time
	CreatedAt       time.Time
}

// withRoles adds the roles of the users of a page.
func (p *ListUsersPlugin) withRoles(ctx context.Context, users []userColumns) ([]ListUsersItem, error) {
	ids := make([]string, len(users))
	for i, user := range users {
		ids[i] = user.ID
	}
	var rows []models.UserRole
	if err := p.db.WithContext(ctx).Where("user_id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("find roles of users: %w", err)
	}
	roles := map[string][]string{}
	for _, row := range rows {
		roles[row.UserID] = append(roles[row.UserID], row.Role)
	}
	items := make([]ListUsersItem, len(users))
	for i, user := range users {
		slices.Sort(roles[user.ID])
		items[i] = ListUsersItem{
			ID: user.ID, Email: user.Email, Name: user.Name, Roles: roles[user.ID], DisabledAt: user.DisabledAt, CreatedAt: user.CreatedAt,
		}
	}
	return items, nil
}
