package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/config"
)

func TestMailSettings(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load([]string{
		"APP_MAIL_HOST=smtp.example.org", "APP_MAIL_PORT=465", "APP_MAIL_TLS=implicit", "APP_MAIL_USER=shop", "APP_MAIL_PASSWORD=hunter2",
		"APP_MAIL_FROM=Unser Lädchen <shop@example.org>", "APP_MAIL_TIMEOUT=5s", "APP_MAIL_CA=/etc/ca.pem",
	})
	require.NoError(t, err)
	require.Equal(t, config.Mail{
		Host: "smtp.example.org", Port: 465, TLS: "implicit", User: "shop", Password: "hunter2",
		From: "Unser Lädchen <shop@example.org>", Timeout: 5 * time.Second, CA: "/etc/ca.pem",
	}, cfg.Mail)
	for _, host := range []string{"localhost", "127.0.0.2", "::1", "10.0.0.7"} {
		_, err = config.Load([]string{"APP_MAIL_HOST=" + host, "APP_MAIL_FROM=a@b"})
		require.NoError(t, err, host)
	}
	for _, host := range []string{"localhost", "127.0.0.2", "::1"} {
		_, err = config.Load([]string{"APP_MAIL_HOST=" + host, "APP_MAIL_FROM=a@b", "APP_MAIL_TLS=off", "APP_MAIL_USER=u", "APP_MAIL_PASSWORD=p"})
		require.NoError(t, err, host)
	}
}

func TestMailProblems(t *testing.T) {
	t.Parallel()
	const address = "it must be an address, such as shop@example.org or Shop <shop@example.org>"
	const host = "it must be the name or the address of a server, without its port"
	server := []string{"APP_MAIL_HOST=smtp.example.org", "APP_MAIL_FROM=shop@example.org"}
	for want, environ := range map[string][]string{
		"APP_MAIL_FROM is empty; with APP_MAIL_HOST it must be the sender's address, such as shop@example.org": server[:1],
		"APP_MAIL_USER and APP_MAIL_PASSWORD go together: give both, or neither":                               append(server[:2:2], "APP_MAIL_PASSWORD=hunter2"),
		"APP_MAIL_TLS is off; APP_MAIL_PASSWORD would go to APP_MAIL_HOST in clear text: use starttls or implicit": append(
			server[:2:2], "APP_MAIL_TLS=off", "APP_MAIL_USER=shop", "APP_MAIL_PASSWORD=hunter2"),
		`APP_MAIL_HOST is "smtp.example.org:587"; ` + host:   {"APP_MAIL_HOST=smtp.example.org:587"},
		`APP_MAIL_HOST is "smtp://example.org"; ` + host:     {"APP_MAIL_HOST=smtp://example.org"},
		`APP_MAIL_HOST is "*"; ` + host:                      {"APP_MAIL_HOST=*"},
		`APP_MAIL_FROM is "shop"; ` + address:                {"APP_MAIL_FROM=shop"},
		`APP_MAIL_FROM is "a@b\r\nBcc: c@d"; ` + address:     {"APP_MAIL_FROM=a@b\r\nBcc: c@d"},
		`APP_MAIL_FROM is "\"a b\"@example.org"; ` + address: {`APP_MAIL_FROM="a b"@example.org`},
		`APP_MAIL_FROM is "=?utf-8?q?=0D=0ABcc=3Ac?= <a@b>"; ` + address: {
			"APP_MAIL_FROM==?utf-8?q?=0D=0ABcc=3Ac?= <a@b>"},
		`APP_MAIL_FROM is "shop@bücher.example"; ` + address:                                  {"APP_MAIL_FROM=shop@bücher.example"},
		`APP_MAIL_TLS is "on"; it must be starttls, implicit or off; the default is starttls`: {"APP_MAIL_TLS=on"},
		`APP_MAIL_PORT is "0"; it must be a whole number from 1 to 65535; the default is 587`: {"APP_MAIL_PORT=0"},
	} {
		_, err := config.Load(environ)
		require.EqualError(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestMailInClearTextIsTold(t *testing.T) {
	t.Parallel()
	unencrypted := []string{"APP_MAIL_HOST=mailpit", "APP_MAIL_FROM=a@b", "APP_MAIL_TLS=off"}
	require.Equal(t, "APP_MAIL_TLS is off: mail travels to mailpit in clear text; use starttls or implicit", strings.Join(config.Warnings(unencrypted), "\n"))
	require.Empty(t, config.Warnings([]string{"APP_MAIL_HOST=localhost", "APP_MAIL_FROM=a@b", "APP_MAIL_TLS=off"}))
	require.Empty(t, config.Warnings(unencrypted[:2]))
}
