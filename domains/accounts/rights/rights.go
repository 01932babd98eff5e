// Package rights tells who may do what. It knows the roles of users, and what somebody may give to others.
//
// Nobody gives, takes or changes what is more than their own, and nobody manages a user who may do what they may not. So a right to
// manage users or roles is no way to more rights.
package rights

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/sessions"
)

// Lock has those who change who may do what come one after the other, until the end of the transaction that it is called in: two administrators
// cannot disable each other at the same time. The row of the role administrator stands for all of it. On SQLite a transaction is the only writer
// anyway.
func Lock(ctx context.Context, db *gorm.DB) error {
	var role models.Role
	err := db.WithContext(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Where("name = ?", models.Administrator).Limit(1).Find(&role).Error
	if err != nil {
		return fmt.Errorf("lock rights: %w", err)
	}
	return nil
}

// Of returns the roles of a user.
func Of(ctx context.Context, db *gorm.DB, userID string) (roles []models.Role, err error) {
	names := db.WithContext(ctx).Model(&models.UserRole{}).Select("role").Where("user_id = ?", userID)
	if err := db.WithContext(ctx).Where("name IN (?)", names).Find(&roles).Error; err != nil {
		return nil, fmt.Errorf("find roles of user: %w", err)
	}
	return roles, nil
}

// LockFor is [Lock] for a change that who makes, who needs the permission, and returns who as they are then; see [Renew].
func LockFor(ctx context.Context, db *gorm.DB, who app.Principal, permission string) (app.Principal, error) {
	if err := Lock(ctx, db); err != nil {
		return who, err
	}
	return Renew(ctx, db, who, permission)
}

// Holder returns a user as a principal who may do what the user may now. It reports false when there is no such user, or they are disabled.
func Holder(ctx context.Context, db *gorm.DB, userID string) (who app.Principal, holds bool, err error) {
	var enabled int64
	if err := db.WithContext(ctx).Model(&models.User{}).Where("id = ? AND disabled_at IS NULL", userID).Count(&enabled).Error; err != nil {
		return who, false, fmt.Errorf("find user: %w", err)
	}
	roles, err := Of(ctx, db, userID)
	return app.Principal{ID: userID, Permissions: Permissions(roles...)}, enabled > 0, err
}

// Renew returns who as they are now, and refuses those who have lost their session or key, or the permission, since the request began: a
// body may be sent long after its head, and the caller was asked for at the head. What changes who may do what calls it by [LockFor]. A principal of another authenticator comes back unchanged.
func Renew(ctx context.Context, db *gorm.DB, who app.Principal, permission string) (app.Principal, error) {
	kind, id, _ := strings.Cut(who.Credential, " ")
	credentials := map[string]any{"session": &models.Session{}, "key": &models.Key{}}
	if credentials[kind] == nil {
		return who, nil
	}
	var n int64
	if err := db.WithContext(ctx).Model(credentials[kind]).Where("id = ? AND user_id = ?", id, who.ID).Count(&n).Error; err != nil {
		return who, fmt.Errorf("find %s: %w", kind, err)
	}
	now, holds, err := Holder(ctx, db, who.ID)
	switch {
	case err != nil:
		return who, err
	case n == 0 || !holds:
		return who, sessions.Unknown()
	case kind == "session":
		who.Permissions = now.Permissions
	default: // the key has less than its owner
		who.Permissions = slices.DeleteFunc(slices.Clone(who.Permissions), func(p string) bool { return !now.Can(p) })
	}
	if permission != "" && !who.Can(permission) {
		return who, app.Errorf(app.Forbidden, "this needs the permission %s", permission)
	}
	return who, nil
}

// Named returns the roles with the names. The error is [app.Violations] of the elements of field whose role does not exist.
func Named(ctx context.Context, db *gorm.DB, field string, names []string) (roles []models.Role, err error) {
	if err := db.WithContext(ctx).Where("name IN ?", names).Find(&roles).Error; err != nil {
		return nil, fmt.Errorf("find roles: %w", err)
	}
	known := Names(roles)
	return roles, refused(field, "role", "must be a role that there is", names, func(name string) bool { return slices.Contains(known, name) })
}

// Names returns the names of roles, sorted.
func Names(roles []models.Role) []string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = role.Name
	}
	slices.Sort(names)
	return names
}

// Permissions returns the permissions of roles, sorted, each once.
func Permissions(roles ...models.Role) []string {
	all := []string{}
	for _, role := range roles {
		all = append(all, strings.Fields(role.Permissions)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Declared refuses permissions that no domain declares, as [app.Violations] of the elements of field. "*" is among them: it stands for permissions to
// come, too, and belongs to administrators.
func Declared(declared app.Permissions, field string, names []string) error {
	return refused(field, "permission", "must be a permission of this service", names, declared.Has)
}

// refused returns a violation for each of the names that is not right.
func refused(field, rule, message string, names []string, right func(string) bool) error {
	var wrong app.Violations
	for i, name := range names {
		if !right(name) {
			wrong = append(wrong, app.Violation{Field: field + "." + strconv.Itoa(i), Rule: rule, Message: message})
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// Lacking returns a permission that somebody does not have, of those named.
func Lacking(who app.Principal, permissions []string) (missing string, lacks bool) {
	for _, permission := range permissions {
		if !who.Can(permission) {
			return permission, true
		}
	}
	return "", false
}

// MayGive refuses, with [app.Forbidden], to let somebody give, take or change roles of which they lack a permission.
func MayGive(who app.Principal, roles ...models.Role) error {
	for _, role := range roles {
		if missing, lacks := Lacking(who, Permissions(role)); lacks {
			return app.Errorf(app.Forbidden, "the role %s has the permission %s, which you do not have yourself", role.Name, missing)
		}
	}
	return nil
}

// MayManage refuses, with [app.Forbidden], to let somebody manage a user with roles of which they lack a permission.
func MayManage(who app.Principal, roles []models.Role) error {
	if missing, lacks := Lacking(who, Permissions(roles...)); lacks {
		return app.Errorf(app.Forbidden, "the user has the permission %s, which you do not have yourself", missing)
	}
	return nil
}

// MayExchange refuses to let somebody, who may manage the user, give them other roles than they had: roles that are more than somebody's own, with
// [app.Forbidden], and to take the role from the last administrator, with [app.Conflict]. It is called after [Lock].
func MayExchange(ctx context.Context, db *gorm.DB, who app.Principal, user models.User, had, given []models.Role) error {
	if err := MayGive(who, given...); err != nil {
		return err
	}
	if slices.Contains(Names(given), models.Administrator) {
		return nil
	}
	return spareAdministrator(ctx, db, user, had)
}

// MayRemove refuses, with [app.Conflict], to let somebody disable or delete themselves, or the last administrator. It is called after [Lock].
func MayRemove(ctx context.Context, db *gorm.DB, who app.Principal, user models.User, roles []models.Role) error {
	if user.ID == who.ID {
		return app.Errorf(app.Conflict, "nobody disables or deletes themselves; ask somebody else")
	}
	return spareAdministrator(ctx, db, user, roles)
}

// spareAdministrator refuses to take an administrator away when no other one could sign in.
func spareAdministrator(ctx context.Context, db *gorm.DB, user models.User, roles []models.Role) error {
	if !slices.Contains(Names(roles), models.Administrator) {
		return nil
	}
	administrators := db.WithContext(ctx).Model(&models.UserRole{}).Select("user_id").Where("role = ?", models.Administrator)
	var others int64
	err := db.WithContext(ctx).Model(&models.User{}).Where("id <> ? AND disabled_at IS NULL AND id IN (?)", user.ID, administrators).Count(&others).Error
	if err != nil {
		return fmt.Errorf("count administrators: %w", err)
	}
	if others == 0 {
		return app.Errorf(app.Conflict, "this is the last administrator; make another one first")
	}
	return nil
}
