// Package accounts is the accounts domain. It has users with their sessions, API keys and roles. With it in the list of main.go, the service
// knows who calls, and every endpoint says who may.
//
// It serves what users and administrators need below /accounts, and its events user.registered, user.disabled and so on tell other domains. The
// first administrator is made by the command "accounts create-admin".
package accounts

import (
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/domains/accounts/migrations"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/passwords"
	"plugboard/domains/accounts/plugins"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/sessions"
	"plugboard/domains/accounts/throttle"
)

// Module is the domain. A new plugin is added to this list.
var Module = app.Domain("accounts",
	app.Settings[plugins.Settings](),
	app.Settings[sessions.Settings](),
	app.Settings[passwords.Settings](),
	app.Settings[provider.Settings](),
	app.Migrations(migrations.Files),
	app.Models(
		models.User{}, models.Session{}, models.Key{}, models.Role{}, models.UserRole{}, models.Ticket{}, models.Device{}, models.SignIn{},
		models.Throttle{}, models.Identity{}, models.Flow{},
	),
	fx.Provide(fx.Private, sessions.New, fx.Annotate(passwords.New, fx.ParamTags("", "", `optional:"true"`)), throttle.New, provider.New, provider.NewFlows),
	fx.Provide(fx.Annotate(sessions.NewAuthenticator, fx.As(new(app.Authenticator)))),

	app.Permission(plugins.ReadUsers, "See users, roles, and the record of sign-ins"),
	app.Permission(plugins.WriteUsers, "Invite, disable, sign out and delete users, and give them roles"),
	app.Permission(plugins.WriteRoles, "Say what roles let their users do"),

	plugins.Register,
	plugins.SignIn,
	plugins.SignInWithProvider,
	plugins.SignOut,
	plugins.GetMe,
	plugins.MySessions,
	plugins.MyKeys,
	plugins.MyIdentities,
	plugins.ChangeEmail,
	plugins.ChangePassword,
	plugins.ResetPassword,
	plugins.ListUsers,
	plugins.ManageUser,
	plugins.Roles,
	plugins.ListSignIns,
	plugins.CreateAdmin,
	plugins.SendMail,
	plugins.TellUser,
	plugins.DeleteExpired,
)
