// Package plugins has the plugins of the accounts domain, one file each.
package plugins

import (
	"context"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/domains/accounts/models"
	"plugboard/domains/accounts/provider"
	"plugboard/domains/accounts/throttle"
)

// Settings are those of registrations and of what is sent by mail. They are settings of the domain accounts.
type Settings struct {
	// Registration says who may register: "open" for everybody, "invited" for those whom an administrator has invited, "closed" for nobody.
	Registration string `key:"registration" default:"invited" binding:"oneof=open invited closed"`
	// URL is the page of the service's own to which links in mails lead, such as https://shop.example/account. What the link is for
	// follows as a fragment: #register=<code>. Without it, mails have the code alone.
	URL string `key:"url" default:"" binding:"omitempty,http_url"`
	// TicketLifetime is how long a link in a mail holds.
	TicketLifetime time.Duration `key:"link_lifetime" default:"1h" binding:"min=1m,max=168h"`
	// InvitationLifetime is how long an invitation holds.
	InvitationLifetime time.Duration `key:"invitation_lifetime" default:"168h" binding:"min=1m,max=2160h"`
	// SignInsKept is how long the record of sign-ins is kept.
	SignInsKept time.Duration `key:"sign_ins_kept" default:"2160h" binding:"min=1h,max=87600h"`
}

// Limits on attempts, which all replicas count together. A sign-in that succeeds does not count. A person who mistypes does not meet them; a
// program that guesses gets a few hundred tries a day at one account, and some thousands from one network.
//
//nolint:gochecknoglobals // values that are never changed
var (
	accountLimit = throttle.Limit{Attempts: 10, Each: 5 * time.Minute}
	deviceLimit  = throttle.Limit{Attempts: 10, Each: time.Minute}
	networkLimit = throttle.Limit{Attempts: 50, Each: 30 * time.Second}
	mailLimit    = throttle.Limit{Attempts: 3, Each: 20 * time.Minute}
)

// normalEmail returns the form in which an address is stored: two users cannot differ by case alone.
func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// caller returns who made the request. Access rules have made sure that there is somebody.
func caller(ctx context.Context) app.Principal {
	p, _ := app.PrincipalFrom(ctx)
	return p
}

// mayMail reports whether one more mail of a purpose may be sent to an address. Beyond the limit nothing is sent, and the caller is not told: nobody
// learns who has asked before, and nobody's mailbox is filled. Each purpose counts for itself: who asks for other mails to somebody's address
// must not keep from them the link with which they reset the password.
func mayMail(ctx context.Context, t *throttle.Throttle, purpose models.Purpose, email string) (bool, error) {
	err := t.Take(ctx, mailName(purpose, email), mailLimit)
	if app.CodeOf(err) == app.TooMany {
		return false, nil
	}
	return err == nil, err
}

// mailName is the name under which mails of a purpose to an address count.
func mailName(purpose models.Purpose, email string) string {
	return "mail:" + string(purpose) + ":" + email
}

// localPath refuses what is no path of this host.
func localPath(path string) error {
	if _, ok := provider.ReturnPath(path); !ok {
		return app.Violations{{Field: "return", Rule: "local", Message: "must be a path of this host, such as /orders"}}
	}
	return nil
}
