package app

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"go.uber.org/fx"
)

// Principal is somebody whom the service knows: a user who has signed in, a program with a key. It must not be changed.
type Principal struct {
	// ID identifies the principal for good, among all that the service knows. It is what logs, spans and events name, so it is no
	// e-mail address and no secret. It is printable text of 1 to 255 bytes.
	ID string
	// Permissions are what the principal may do; see [Can]. [AllPermissions] stands for all of them.
	Permissions []string
	// SignedInAt is when the principal last proved who it is, with a password for example. It is zero for one that never does, such
	// as a program with a key; see [Fresh].
	SignedInAt time.Time
	// Credential identifies what the principal proved itself with, one of its sessions or keys. It is no secret; "" where the
	// authenticator tells none apart.
	Credential string
}

// AllPermissions is the permission that stands for all others. It is for administrators.
const AllPermissions = "*"

// Can reports whether the principal has the permission.
func (p Principal) Can(permission string) bool {
	return slices.Contains(p.Permissions, permission) || slices.Contains(p.Permissions, AllPermissions)
}

// PrincipalFrom returns who made the request that ctx belongs to. It reports false for an endpoint that is [Public], and outside of
// requests: subscribers, schedules, loops and commands act for the service itself. A subscriber finds who caused its event in
// [Delivery].
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	if c := CallFrom(ctx); c != nil && c.Principal != nil {
		return *c.Principal, true
	}
	return Principal{}, false
}

// Authenticator tells who makes a request. A service has at most one, which a module provides to Fx as an app.Authenticator: domains/accounts
// does, for users of the service's own, and domains/identity for those of an identity provider. With one, each endpoint must say who may
// call it: [Public], [SignedIn], [Can]. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate returns who makes the request r, or nil when r names nobody. The host asks before the body is read, once for each
	// request to an endpoint that is not public. The method must not read the body. Ctx has the request's deadline; headers may be set
	// with [SetHeader] and [SetCookie].
	//
	// An error of code [Unauthorized] means that r names somebody wrongly: with a session that is over, a key that nobody has. Other
	// codes and errors, such as [Unavailable], are answered as they are, so nobody gets in while nobody can tell.
	Authenticate(ctx context.Context, r *http.Request) (*Principal, error)
	// Schemes says for the API's description how callers tell who they are; one of them suffices. It returns the same at every
	// call, and does no I/O.
	Schemes() []SecurityScheme
}

// SecurityScheme is a way in which callers tell who they are, as OpenAPI describes it ("Security Scheme Object").
type SecurityScheme struct {
	// Name identifies the scheme in the document: letters, digits, "-", "_" and ".".
	Name string
	// Type is "http", "apiKey" or "openIdConnect".
	Type string
	// Description is for readers of the document.
	Description string
	// Scheme is that of the header Authorization for type "http": "bearer".
	Scheme string
	// Format hints at what the token of type "http" is: "JWT".
	Format string
	// In is "header" or "cookie" for type "apiKey".
	In string
	// Key is the name of that header or cookie.
	Key string
	// URL is that of the provider's discovery document, for type "openIdConnect".
	URL string
}

// Access says who may call an endpoint; for the host, which reads it from [EndpointOptions].
type Access struct {
	// Public is true for everybody. Otherwise the caller must be known.
	Public bool
	// Can is true for those who have Permission.
	Can        bool
	Permission string
}

// String returns the rule as it is written: app.Can("products.write").
func (a Access) String() string {
	switch {
	case a.Public:
		return "app.Public()"
	case a.Can:
		return fmt.Sprintf("app.Can(%q)", a.Permission)
	default:
		return "app.SignedIn()"
	}
}

func access(a Access) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Access = append(o.Access, a) })
}

// Public lets everybody call the endpoint. The host does not ask who calls, so a session that is over changes nothing.
//
// An endpoint has one of Public, [SignedIn] and [Can]; its own takes the place of that of its domain, given by [Every]. Once the
// service has an [Authenticator], an endpoint without any is a start error, unless the service says with host.DefaultAccess what that
// means.
func Public() EndpointOption { return access(Access{Public: true}) }

// SignedIn lets everybody call the endpoint whom the service knows. Others are refused with [Unauthorized], before the body is read. It
// is a start error in a service without an [Authenticator].
func SignedIn() EndpointOption { return access(Access{}) }

// Can lets those call the endpoint who have the permission, which a domain declares with [Permission]. Callers who are not known are
// refused with [Unauthorized], those without the permission with [Forbidden], before the body is read. A permission that no domain
// declares is a start error, as is Can in a service without an [Authenticator].
func Can(permission string) EndpointOption { return access(Access{Can: true, Permission: permission}) }

// Fresh asks that the caller's sign-in is at most longest ago, for what must not be done by whoever finds a device unlocked: a change of
// the password, for example. An older one is refused with [Unauthorized], and the header WWW-Authenticate says so as RFC 9470
// describes ("insufficient_user_authentication"). A principal that never signs in, such as a program with a key, is always refused. It stands
// beside [SignedIn] or [Can].
func Fresh(longest time.Duration) EndpointOption {
	return endpointOption(func(o *EndpointOptions) { o.Fresh = &longest })
}

// AllowFunc is a compiled [Allow]; for the host.
type AllowFunc struct {
	// Request is the type of the request that Call takes a pointer to.
	Request reflect.Type
	Call    func(ctx context.Context, request any) error
}

// Allow lets fn decide with the request at hand, after it was bound and checked and before the handler runs, for rules about a thing
// and not about an operation: whether an order belongs to the caller. Fn returns nil to let the request proceed, and otherwise an error
// made with [Errorf], most often [Forbidden], or [NotFound] where callers must not learn what there is. Several are asked in order.
// Req is the type that the handler takes; another is a start error, as is Allow for a [Boot.Raw] endpoint. For a CPU-bound
// handler fn runs before the work pool is asked.
func Allow[Req any](fn func(ctx context.Context, req Req) error) EndpointOption {
	allow := AllowFunc{Request: reflect.TypeFor[Req]()}
	if fn != nil {
		allow.Call = func(ctx context.Context, request any) error { return fn(ctx, *request.(*Req)) }
	}
	return endpointOption(func(o *EndpointOptions) { o.Allows = append(o.Allows, allow) })
}

// LimitKey says whose requests a [Limit] counts together: [PerClient] or [PerPrincipal].
type LimitKey struct {
	// Principal is true for [PerPrincipal], false for [PerClient].
	Principal bool
	// InDatabase is true for a count that all processes share.
	InDatabase bool
}

// What a [Limit] counts by.
var (
	// PerClient counts the requests of a network address together; of an IPv6 address, those of its /64 network. It counts before
	// anybody is asked who calls. Behind a proxy that APP_HTTP_TRUSTED_PROXIES does not name, all clients are one; the service warns of that.
	PerClient = LimitKey{} //nolint:gochecknoglobals // a value that is never changed
	// PerPrincipal counts the requests of a principal together. It stands beside [SignedIn] or [Can].
	PerPrincipal = LimitKey{Principal: true} //nolint:gochecknoglobals // a value that is never changed
)

// Shared has all processes of the service count together, in the database. That costs a write a request; without it each process counts
// by itself, in memory.
func (k LimitKey) Shared() LimitKey {
	k.InDatabase = true
	return k
}

// RateLimit is what [Limit] says, for the host.
type RateLimit struct {
	Requests int
	Per      time.Duration
	Key      LimitKey
}

// Limit refuses what goes beyond n requests in a time of per, with [TooMany], 429, and the header Retry-After. The
// answers have the headers RateLimit-Policy and RateLimit (IETF draft-ietf-httpapi-ratelimit-headers). Requests are let through at once up to n,
// and then one every per/n ("token bucket"). Several limits hold side by side, those of the domain too; each endpoint counts for itself.
// N is from 1 to 1,000,000, and per from a second to a day; others are start errors.
func Limit(n int, per time.Duration, key LimitKey) EndpointOption {
	return endpointOption(func(o *EndpointOptions) {
		o.Limits = append(o.Limits, RateLimit{Requests: n, Per: per, Key: key})
	})
}

// PermissionPart declares a permission. Make it with [Permission].
type PermissionPart struct {
	fx.Option
	// Name is the permission's name, Meaning says in a line what it lets somebody do.
	Name, Meaning string
	// Source is where it was declared, as "import/path/file.go:line".
	Source string
}

// Permissions are all permissions that the domains of the service declare, in the order of main.go. A constructor may ask for them: one that
// lets administrators choose what a role may do, for example.
type Permissions []PermissionPart

// Has reports whether a domain declares the permission.
func (p Permissions) Has(name string) bool {
	return slices.ContainsFunc(p, func(part PermissionPart) bool { return part.Name == name })
}

// Permission declares a permission of a domain, for [Can], and says what it lets somebody do. It stands in the list of the domain, whose
// name begins the permission's: "products.write". The name has lower-case letters, digits, "_" and dots. A permission that is declared
// twice is a start error.
func Permission(name, meaning string) PermissionPart {
	return PermissionPart{Option: fx.Options(), Name: name, Meaning: meaning, Source: caller(1)}
}
