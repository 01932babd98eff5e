package app

import (
	"io/fs"
	"reflect"

	"go.uber.org/fx"
)

// DomainModule is a domain as an fx.Option, with its description beside the option.
type DomainModule struct {
	fx.Option
	// Name is the domain's name, the same as its folder's.
	Name string
	// Source is where the domain was declared, as "import/path/file.go:line".
	Source string
	// Parts are the options the domain was declared with, in order.
	Parts []fx.Option
}

// Domain declares a domain: its migrations, models and plugins, and any other fx.Option it needs.
// The name is that of the domain's folder.
func Domain(name string, parts ...fx.Option) DomainModule {
	return DomainModule{
		Option: fx.Module(name, parts...),
		Name:   name,
		Source: caller(1),
		Parts:  parts,
	}
}

// MigrationsPart carries a domain's migrations. Make it with [Migrations].
type MigrationsPart struct {
	fx.Option
	FS fs.FS
}

// Migrations gives a domain its migrations: a file system with the folders sqlite and postgres, each
// with plain SQL files named "00001_what_it_does.sql" in goose's format. Every domain keeps a version
// history of its own.
func Migrations(files fs.FS) MigrationsPart {
	return MigrationsPart{Option: fx.Options(), FS: files}
}

// ModelsPart names a domain's entities. Make it with [Models].
type ModelsPart struct {
	fx.Option
	Models []any
}

// Models names the domain's database entities, as zero values: app.Models(models.Product{}). A test holds
// them against the migrated tables of both databases, and the checks use them to know whose table is whose.
func Models(models ...any) ModelsPart {
	return ModelsPart{Option: fx.Options(), Models: models}
}

// SettingsPart declares a domain's settings. Make it with [Settings].
type SettingsPart struct {
	fx.Option
	// Type is the struct of the settings.
	Type reflect.Type
	// Source is where they were declared, as "import/path/file.go:line".
	Source string
}

// Settings gives a domain settings of its own: the fields of the struct T. The host reads them before the start, as it reads its
// own, and every constructor of the domain that asks for a T gets them:
//
//	// MailSettings are the settings of this domain.
//	type MailSettings struct {
//		// Sender is the address that mail comes from.
//		Sender string `key:"sender" binding:"required,email"`
//		// Password is the password of the mail server.
//		Password string `key:"password" default:"" secret:"true"`
//		// Timeout is how long one mail may take.
//		Timeout time.Duration `key:"timeout" default:"3s" binding:"min=1ms,max=1m"`
//	}
//
//	var Module = app.Domain("mail_out", app.Settings[plugins.MailSettings](), …)
//
// The section is the domain's name: the fields above are APP_MAIL_OUT_SENDER and so on in the environment, and mail_out.sender in the file
// that APP_CONFIG names. A secret may also be read from a file: APP_MAIL_OUT_PASSWORD_FILE names it.
//
// Fields are of type string, bool, int, int64, float64, [time.Duration], []string (separated by commas) or *[net/url.URL]. The tags
// are key; default, which is the type's zero value without the tag; binding, the limits in the terms of
// go-playground/validator, where "required" without a default means that the setting must be given; and secret:"true" for what
// is never printed. The comment above a field is its documentation. A method Validate() error on T is called when all are
// read, for rules between settings.
//
// It is a start error when a value breaks its rules or a name is misspelt, and when the struct itself cannot work: a field of another
// type, a default that its own rules refuse, a name that the host or another domain has already, a domain named like a
// section of the host's. A domain may have several structs, whose keys differ.
//
// Settings do not change while the service runs. What a plugin registers in OnBoot must not depend on them, since the documents
// describe every service alike: read the setting when a request is handled, for example in a [Guard].
func Settings[T any]() SettingsPart {
	return SettingsPart{
		Option: fx.Provide(fx.Private, settingsOf[T]), // private, since each provider that all may see slows the start
		Type:   reflect.TypeFor[T](), Source: caller(1),
	}
}

// EveryPart carries options for all endpoints of a domain. Make it with [Every].
type EveryPart struct {
	fx.Option
	Options []EndpointOption
	// Source is where they were given, as "import/path/file.go:line".
	Source string
}

// Every gives options to all endpoints of a domain, those of [Boot.Raw] too:
//
//	var Module = app.Domain("orders", app.Every(app.Guard(signedIn), app.Tags("shop")), …)
//
// Guards, tags, failures and security schemes of an endpoint's own come behind those of the domain. Its [Timeout] and
// [BodyLimit] take the place of the domain's. What describes one endpoint alone is a start error here: [Summary], [Status],
// [Produces], [Accepts], [Takes], [Answers].
func Every(options ...EndpointOption) EveryPart {
	source := caller(1)
	// The invoke runs wherever the part stands, so that the host notices one that it cannot see.
	return EveryPart{Option: fx.Invoke(func(r *Registrar) { r.asked = append(r.asked, source) }), Options: options, Source: source}
}
