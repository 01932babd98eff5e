package app_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
)

func TestMailsThatAreNotValid(t *testing.T) {
	t.Parallel()
	const address = " must be an address, such as ada@example.org or Ada Lovelace <ada@example.org>"
	const unquoted = " must be an address without quotes, such as ada@example.org"
	const line = " must be one line, without control characters"
	to := func(address string) func(*app.Mail) { return func(m *app.Mail) { m.To = append(m.To, address) } }
	file := func(a app.Attachment) func(*app.Mail) {
		return func(m *app.Mail) { m.Attachments = []app.Attachment{{Name: "fine.txt"}, a} }
	}
	for want, spoil := range map[string][]func(*app.Mail){
		"To has no recipient":                    {func(m *app.Mail) { m.To = nil }},
		"To has 101 recipients; 100 are allowed": {func(m *app.Mail) { m.To = make([]string, 101) }},
		"To[1] is empty":                         {to("")},
		"To[1] must be UTF-8":                    {to("\xff@example.org")},
		"To[1] has 321 bytes; 320 are allowed":   {to(strings.Repeat("a", 309) + "@example.org")},
		"To[1]" + address: {
			to("ada"), to("@example.org"), to("ada@"), to("ada@example.org, eve@example.org"),
			to("=?utf-8?q?Ada=0D=0ABcc=3A_eve=40example.org?= <ada@example.org>"), to("<ada@example.org"), to("ada@example.org>x"),
		},
		"To[1]" + line: {
			to("ada@example.org\r\nBcc: eve@example.org"), to("Ada\n <ada@example.org>"), to("ada@example.org\x00"), to("Ada\u2028 <ada@example.org>"),
		},
		"To[1]" + unquoted: {
			to(`"ada> SIZE=1"@example.org`), to(`"a b"@example.org`), to("ada@[127.0.0.1]"), to("ada@exa_mple.org"),
			to(strings.Repeat("a", 65) + "@example.org"), to("ada@" + strings.Repeat("a.", 130) + "org"),
		},
		"To[1] must be an address of ASCII characters; the domain's form of these begins with xn--": {
			to("ada@bücher.example"), to("jürgen@example.org"),
		},
		"ReplyTo" + address: {func(m *app.Mail) { m.ReplyTo = "nobody" }},
		"ReplyTo" + line:    {func(m *app.Mail) { m.ReplyTo = "a@b\r\nBcc: eve@example.org" }},
		"Subject is empty":  {func(m *app.Mail) { m.Subject = "" }},
		"Subject" + line: {
			func(m *app.Mail) { m.Subject = "a\r\nBcc: eve@example.org" }, func(m *app.Mail) { m.Subject = "a\tb" },
			func(m *app.Mail) { m.Subject = "a\x00" }, func(m *app.Mail) { m.Subject = "a\u0085b" }, func(m *app.Mail) { m.Subject = "a\u2029b" },
		},
		"Subject must be UTF-8":                                            {func(m *app.Mail) { m.Subject = "\xc3" }},
		"Subject has 501 bytes; 500 are allowed":                           {func(m *app.Mail) { m.Subject = strings.Repeat("x", 501) }},
		"Text and HTML are empty":                                          {func(m *app.Mail) { m.Text = "" }},
		"Text must be UTF-8 without NUL":                                   {func(m *app.Mail) { m.Text = "\xc3" }, func(m *app.Mail) { m.Text = "a\x00" }},
		"HTML must be UTF-8 without NUL":                                   {func(m *app.Mail) { m.HTML = "\xc3" }, func(m *app.Mail) { m.HTML = "a\x00" }},
		"Attachments has 51 files; 50 are allowed":                         {func(m *app.Mail) { m.Attachments = make([]app.Attachment, 51) }},
		"Attachments[1].Name is empty":                                     {file(app.Attachment{})},
		"Attachments[1].Name" + line:                                       {file(app.Attachment{Name: "a\r\nb"})},
		"Attachments[1].Name has 151 bytes; 150 are allowed":               {file(app.Attachment{Name: strings.Repeat("x", 151)})},
		"Attachments[1].Name must be the name of a file, without a folder": {file(app.Attachment{Name: "../a"}), file(app.Attachment{Name: `a\b`})},
		"Attachments[1].ContentType must be the media type of a file, such as application/pdf": {
			file(app.Attachment{Name: "a", ContentType: "pdf"}), file(app.Attachment{Name: "a", ContentType: "text/plain\r\nX: y"}),
			file(app.Attachment{Name: "a", ContentType: "multipart/mixed; boundary=x"}), file(app.Attachment{Name: "a", ContentType: "message/rfc822"}),
		},
	} {
		for _, change := range spoil {
			m := app.Mail{To: []string{"ada@example.org"}, Subject: "Hello", Text: "Good morning."}
			change(&m)
			err := m.Check()
			require.EqualError(t, err, "mail: "+want, "%q", m)
			require.Equal(t, app.Invalid, app.CodeOf(err))
			require.True(t, app.IsPermanent(err), "no retry mends a mail")
		}
	}
	large := app.Mail{To: []string{"ada@example.org"}, Subject: "Hello", Text: "-", Attachments: []app.Attachment{{Name: "a", Content: make([]byte, app.MaxMailBytes)}}}
	require.EqualError(t, large.Check(), "mail: the content has 10485761 bytes; 10485760 are allowed")
	require.Equal(t, app.TooLarge, app.CodeOf(large.Check()))
}

func TestMailsThatAreValid(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"ada@example.org", "Ada Lovelace <ada@example.org>", `"Lovelace, Ada" <ada+shop@example.org>`, "Jörg 🌄 <o'neil@xn--bcher-kva.example>", "root@localhost",
	} {
		require.NoError(t, app.Mail{
			To: []string{to}, ReplyTo: to, Subject: "№ 42: für dich", HTML: "\r\n<p>", Attachments: []app.Attachment{{Name: "für dich.csv", ContentType: "text/csv; charset=utf-8"}},
		}.Check(), to)
	}
	require.NoError(t, app.Mail{To: []string{"a@b"}, Subject: strings.Repeat("x", app.MaxMailSubject), Text: strings.Repeat("x", app.MaxMailBytes)}.Check())
}

func TestTheKeyOfAMail(t *testing.T) {
	t.Parallel()
	ctx := apptest.DeliveryContext(t, app.Delivery{EventID: "0199", Subscription: "orders.confirm/order.placed"})
	require.Equal(t, "0199/orders.confirm/order.placed/Hello", app.MailKey(ctx, app.Mail{Subject: "Hello"}))
	require.Equal(t, "order-42", app.MailKey(ctx, app.Mail{Subject: "Hello", Key: "order-42"}))
	require.Empty(t, app.MailKey(t.Context(), app.Mail{Subject: "Hello"}))
}
