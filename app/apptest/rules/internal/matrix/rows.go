package matrix

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/app/apptest/internal/signed"
)

// row is somebody who calls.
type row struct {
	as string
	// give gives a request the credentials; nil gives none.
	give func(r *http.Request)
	// known is whom the service must take the caller for, nil for nobody.
	known *app.Principal
	// status is what the caller is refused with everywhere but at public endpoints; 0 is what known says.
	status int
}

// eachRow calls do with all who call an endpoint.
func (m *matrix) eachRow(c cell, do func(cell, row)) {
	rows := slices.Concat(m.strangers(), m.principals(c), m.callers())
	for _, r := range rows {
		do(c, r)
	}
}

// strangers are those whom no service knows.
func (m *matrix) strangers() []row {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin","exp":4102444800,"scope":"*"}`))
	rows := []row{
		{as: "nobody"},
		{as: "somebody with a bearer token that nobody has", give: header("Authorization", "Bearer "+rand.Text())},
		{as: "somebody with an empty bearer token", give: header("Authorization", "Bearer ")},
		{as: "somebody with an unsigned token", give: header("Authorization", "Bearer "+none+"."+claims+".")},
		{as: "somebody with a password that nobody has", give: header("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("admin:"+rand.Text())))},
		{as: "somebody with the header of a proxy", give: header("X-Forwarded-User", "admin")},
	}
	for _, s := range m.Schemes {
		switch s.In {
		case "cookie":
			rows = append(rows, row{as: "somebody with a cookie " + s.Key + " that nobody has", give: header("Cookie", s.Key+"="+rand.Text())})
		case "header":
			rows = append(rows, row{as: "somebody with a header " + s.Key + " that nobody has", give: header(s.Key, rand.Text())})
		}
	}
	return rows
}

// principals are known to the server by the kit, whatever the service's authenticator is.
func (m *matrix) principals(c cell) []row {
	at, longest := m.signedIn(c), c.Options.Fresh
	rows := []row{
		somebody("a principal without any permission", at),
		somebody("a principal with app.AllPermissions", at, "*"),
	}
	if c.Access.Can {
		rows = append(rows, m.entitled(c),
			somebody("a principal with every permission but "+c.Access.Permission, at, m.others(c.Access.Permission)...))
	}
	if longest != nil {
		rows = append(rows,
			somebody("a principal whose sign-in is too old", at.Add(-*longest-time.Second), "*"),
			somebody("a principal that never signs in", time.Time{}, "*"))
	}
	return rows
}

// entitled is a principal who may call the endpoint, and has no more permissions than that takes.
func (m *matrix) entitled(c cell) row {
	if !c.Access.Can {
		return somebody("a principal without any permission", m.signedIn(c))
	}
	return somebody("a principal with the permission "+c.Access.Permission, m.signedIn(c), c.Access.Permission)
}

// signedIn is when a principal must have signed in who may call the endpoint: never where the endpoint does not ask.
func (m *matrix) signedIn(c cell) time.Time {
	if c.Options.Fresh == nil {
		return time.Time{}
	}
	return m.Clock.Now()
}

// somebody is a principal of the kit.
func somebody(as string, signedInAt time.Time, permissions ...string) row {
	p := app.Principal{ID: "rules-" + rand.Text(), Permissions: permissions, SignedInAt: signedInAt}
	return row{as: as, known: &p, give: func(r *http.Request) { *r = *signed.In(r, p) }}
}

// others are all permissions but one, and names that are nearly that one.
func (m *matrix) others(but string) []string {
	domain, _, _ := strings.Cut(but, ".")
	all := append(slices.Clone(m.Permissions), "", domain, domain+".", domain+".*", but[:len(but)-1], but+"x", but+".", but+".all", strings.ToUpper(but), " "+but)
	return slices.DeleteFunc(all, func(name string) bool { return name == but || name == app.AllPermissions })
}

// callers are those who have credentials of the service's own.
func (m *matrix) callers() []row {
	rows := make([]row, len(m.Callers))
	for i, c := range m.Callers {
		rows[i] = row{as: c.Name, give: c.Prepare, known: c.Known, status: c.Status}
	}
	return rows
}

// refusal is how somebody is refused; the zero value is not at all.
type refusal struct {
	status int
	// says is part of the message, challenge part of the header WWW-Authenticate.
	says, challenge string
}

// refusal returns how the endpoint refuses somebody.
func (m *matrix) refusal(c cell, r row) refusal {
	p, fresh := r.known, c.Options.Fresh
	switch {
	case c.Access.Public:
		return refusal{}
	case r.status != 0:
		return refusal{status: r.status}
	case p == nil:
		return refusal{status: http.StatusUnauthorized, challenge: " "}
	case c.Access.Can && !may(p, c.Access.Permission):
		return refusal{status: http.StatusForbidden, says: lacksPermission + c.Access.Permission}
	case fresh != nil && (p.SignedInAt.IsZero() || m.Clock.Now().Sub(p.SignedInAt) > *fresh):
		return refusal{status: http.StatusUnauthorized, says: mustSignInAgain, challenge: "insufficient_user_authentication"}
	default:
		return refusal{}
	}
}

// may reports whether a principal has a permission. It does not ask the principal, since that is what is tested.
func may(p *app.Principal, permission string) bool {
	return slices.ContainsFunc(p.Permissions, func(name string) bool { return name == permission || name == "*" })
}
