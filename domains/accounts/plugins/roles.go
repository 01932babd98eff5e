package plugins

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/rights"
)

// The permissions of this domain.
const (
	// ReadUsers lets somebody see users, their roles, and when they signed in.
	ReadUsers = "accounts.read_users"
	// WriteUsers lets somebody invite, disable and delete users, and give them roles.
	WriteUsers = "accounts.write_users"
	// WriteRoles lets somebody say what a role may do.
	WriteRoles = "accounts.write_roles"
)

// RolesItem is one role.
type RolesItem struct {
	Name string `json:"name" example:"support"`
	// Permissions are sorted. "*" is everything. One that no domain declares, or not any more, lets nobody do anything.
	Permissions []string `json:"permissions" example:"orders.read"`
}

// RolesData are all roles, by name.
type RolesData struct {
	Items []RolesItem `json:"items"`
}

// RolesResponse is the answer of GET /accounts/roles.
type RolesResponse = app.Response[RolesData]

// PermissionsItem is one permission that a domain declares.
type PermissionsItem struct {
	Name string `json:"name" example:"orders.read"`
	// Meaning says what it lets somebody do.
	Meaning string `json:"meaning" example:"See orders"`
}

// PermissionsData are all permissions of the service, in the order of its domains.
type PermissionsData struct {
	Items []PermissionsItem `json:"items"`
}

// PermissionsResponse is the answer of GET /accounts/permissions.
type PermissionsResponse = app.Response[PermissionsData]

// SetRoleRequest is the body of PUT /accounts/roles/{name}.
type SetRoleRequest struct {
	Name string `uri:"name" json:"-" binding:"max=64" checks:"name=has lower-case letters, digits, _ and - alone" example:"support"`
	// Permissions are all that the role lets somebody do, each of them the caller's own.
	Permissions []string `json:"permissions" binding:"required,max=200,unique,dive,max=200" checks:"permission=are permissions of this service" example:"accounts.read_users"`
}

var roleName = regexp.MustCompile(`^[a-z0-9_-]+$`)

// Validate implements app.Validator.
func (r SetRoleRequest) Validate() error {
	if roleName.MatchString(r.Name) {
		return nil
	}
	return app.Violations{{Field: "name", Rule: "name", Message: "must have lower-case letters, digits, _ and - alone"}}
}

// SetRoleData is the role as it is now.
type SetRoleData struct {
	Name        string   `json:"name" example:"support"`
	Permissions []string `json:"permissions" example:"orders.read"`
}

// SetRoleResponse is the answer of PUT /accounts/roles/{name}.
type SetRoleResponse = app.Response[SetRoleData]

// DeleteRoleRequest names the role of DELETE /accounts/roles/{name}.
type DeleteRoleRequest struct {
	Name string `uri:"name" json:"-" binding:"max=64" example:"support"`
}

// mostRoles is how many roles there may be.
const mostRoles = 200

// Roles is the plugin that serves /accounts/roles and /accounts/permissions.
var Roles = app.Plugin[*RolesPlugin]("accounts.roles", NewRolesPlugin)

// RolesPlugin keeps the roles.
type RolesPlugin struct {
	db          *gorm.DB
	permissions app.Permissions
	logger      *zap.Logger
}

// NewRolesPlugin takes what the plugin needs; Fx resolves it by type.
func NewRolesPlugin(db *gorm.DB, permissions app.Permissions, logger *zap.Logger) *RolesPlugin {
	return &RolesPlugin{db: db, permissions: permissions, logger: logger}
}

// OnBoot registers what the plugin serves.
func (p *RolesPlugin) OnBoot(b *app.Boot) {
	b.GET("/accounts/roles", app.Handle(p.Execute), app.Can(ReadUsers), app.Tags("Accounts"))
	b.GET("/accounts/permissions", app.Handle(p.Permissions), app.Can(ReadUsers), app.Tags("Accounts"))
	b.PUT("/accounts/roles/:name", app.Handle(p.Set), app.Can(WriteRoles), app.Fresh(fresh), app.Status(http.StatusOK, http.StatusCreated),
		app.Tags("Accounts"), app.Fails(app.Conflict))
	b.DELETE("/accounts/roles/:name", app.Handle(p.Delete), app.Can(WriteRoles), app.Fresh(fresh), app.Status(http.StatusNoContent),
		app.Tags("Accounts"), app.Fails(app.NotFound, app.Conflict))
}

// Execute returns the roles. A role may have a permission that no domain declares, since the domain was removed: it is shown, and lets nobody do anything.
//
//	@ID				accounts.roles
//	@Summary		Returns the roles
//	@Description	A role may have a permission that no domain declares, since the domain was removed: it is shown, and lets nobody do anything.
//	@Tags			Accounts
//	@Produce		json
//	@Success		200							{object}	RolesResponse
//	@Failure		400,401,403,421,500,503,504	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/roles [get]
//
//plug:derived 6fd203e1
func (p *RolesPlugin) Execute(ctx context.Context, _ app.Empty) (RolesData, error) {
	var roles []models.Role
	if err := p.db.WithContext(ctx).Order("name").Limit(mostRoles + 1).Find(&roles).Error; err != nil {
		return RolesData{}, fmt.Errorf("list roles: %w", err)
	}
	data := RolesData{Items: make([]RolesItem, len(roles))}
	for i, role := range roles {
		data.Items[i] = RolesItem{Name: role.Name, Permissions: rights.Permissions(role)}
	}
	return data, nil
}

// Permissions returns the permissions that a role may have.
//
//	@ID			accounts.roles.permissions
//	@Summary	Returns the permissions that a role may have
//	@Tags		Accounts
//	@Produce	json
//	@Success	200							{object}	PermissionsResponse
//	@Failure	400,401,403,421,500,503,504	{object}	app.Failure
//	@Security	bearer
//	@Security	session
//	@Router		/accounts/permissions [get]
//
//plug:derived ccd5053c
func (p *RolesPlugin) Permissions(context.Context, app.Empty) (PermissionsData, error) {
	data := PermissionsData{Items: make([]PermissionsItem, len(p.permissions))}
	for i, part := range p.permissions {
		data.Items[i] = PermissionsItem{Name: part.Name, Meaning: part.Meaning}
	}
	return data, nil
}

// Set makes a role, or changes what it lets somebody do. The caller must have every permission that the role gets, and every one that it had.
// For those who have the role it counts from their next request on.
//
//	@ID				accounts.roles.set
//	@Summary		Makes a role, or changes what it lets somebody do
//	@Description	The caller must have every permission that the role gets, and every one that it had. For those who have the role it counts from their next request on.
//	@Tags			Accounts
//	@Accept			json
//	@Produce		json
//	@Param			name												path		string			true	"The name"	maxlength(64)
//	@Param			body												body		SetRoleRequest	true	"The body of PUT /accounts/roles/{name}"
//	@Success		200													{object}	SetRoleResponse
//	@Success		201													{object}	SetRoleResponse
//	@Failure		400,401,403,408,409,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/roles/{name} [put]
//
//plug:derived b1b6bb3c
func (p *RolesPlugin) Set(ctx context.Context, req SetRoleRequest) (SetRoleData, error) {
	if req.Name == models.Administrator {
		return SetRoleData{}, errAdministrator()
	}
	if err := rights.Declared(p.permissions, "permissions", req.Permissions); err != nil {
		return SetRoleData{}, err
	}
	permissions := slices.Sorted(slices.Values(req.Permissions))
	isNew := false
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		who, err := rights.LockFor(ctx, p.db, caller(ctx), WriteRoles)
		if err != nil {
			return err
		}
		role, err := p.find(ctx, req.Name)
		if isNew = app.CodeOf(err) == app.NotFound; isNew {
			err = p.checkRoom(ctx)
		}
		if err != nil {
			return err
		}
		if err := rights.MayGive(who, models.Role{Name: req.Name, Permissions: role.Permissions + " " + strings.Join(permissions, " ")}); err != nil {
			return err
		}
		role = models.Role{Name: req.Name, Permissions: strings.Join(permissions, " ")}
		return p.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&role).Error
	})
	if err != nil {
		return SetRoleData{}, fmt.Errorf("set role: %w", err)
	}
	if isNew {
		app.SetStatus(ctx, http.StatusCreated)
	}
	app.Logger(ctx, p.logger).Info("role set", zap.String("role", req.Name), zap.Strings("permissions", permissions))
	return SetRoleData{Name: req.Name, Permissions: permissions}, nil
}

// checkRoom refuses a role beyond those that there may be.
func (p *RolesPlugin) checkRoom(ctx context.Context) error {
	var n int64
	if err := p.db.WithContext(ctx).Model(&models.Role{}).Count(&n).Error; err != nil {
		return fmt.Errorf("count roles: %w", err)
	}
	if n >= mostRoles {
		return app.Errorf(app.Conflict, "there are %d roles, which is the most; delete one first", n)
	}
	return nil
}

// Delete takes a role from all who have it, and deletes it. The caller must have every permission of it.
//
//	@ID				accounts.roles.delete
//	@Summary		Takes a role from all who have it, and deletes it
//	@Description	The caller must have every permission of it.
//	@Tags			Accounts
//	@Produce		json
//	@Param			name										path	string	true	"The name"	maxlength(64)
//	@Success		204											"No Content"
//	@Failure		400,401,403,404,409,421,422,500,503,504,507	{object}	app.Failure
//	@Security		bearer
//	@Security		session
//	@Router			/accounts/roles/{name} [delete]
//
//plug:derived 75c7ba4a
func (p *RolesPlugin) Delete(ctx context.Context, req DeleteRoleRequest) (app.Empty, error) {
	if req.Name == models.Administrator {
		return app.Empty{}, errAdministrator()
	}
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		who, err := rights.LockFor(ctx, p.db, caller(ctx), WriteRoles)
		if err != nil {
			return err
		}
		role, err := p.find(ctx, req.Name)
		if err != nil {
			return err
		}
		if err := rights.MayGive(who, role); err != nil {
			return err
		}
		return p.db.WithContext(ctx).Delete(&role).Error // with the rows of those who have it
	})
	if err != nil {
		return app.Empty{}, fmt.Errorf("delete role: %w", err)
	}
	app.Logger(ctx, p.logger).Info("role deleted", zap.String("role", req.Name))
	return app.Empty{}, nil
}

func (p *RolesPlugin) find(ctx context.Context, name string) (role models.Role, err error) {
	err = p.db.WithContext(ctx).Where("name = ?", name).Take(&role).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return role, app.Errorf(app.NotFound, "there is no role %q", name)
	}
	return role, err
}

func errAdministrator() error {
	return app.Errorf(app.Conflict, "the role %s has all permissions, and stays as it is", models.Administrator)
}
