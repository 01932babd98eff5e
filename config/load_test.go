package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/config"
)

func TestDefaultsAreThoseOnThePage(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	require.Equal(t, "development", cfg.App.Env)
	require.Equal(t, "127.0.0.1:8080", cfg.HTTP.Addr)
	require.EqualValues(t, 1<<20, cfg.HTTP.BodyLimit)
	require.Equal(t, 5*time.Second, cfg.HTTP.HeaderTimeout)
	require.Empty(t, cfg.HTTP.TrustedProxies)
	require.True(t, cfg.Database.Migrate)
}

// TestPage holds the page's own promises: every setting has a key, a default that is right, and an
// environment name of its own.
func TestPage(t *testing.T) {
	t.Parallel()
	settings, err := config.List(nil)
	require.NoError(t, err)
	seen := map[string]bool{}
	count := 0
	page := reflect.TypeFor[config.Config]()
	for section := range page.Fields() {
		if !section.IsExported() {
			continue
		}
		count += section.Type.NumField()
		for f := range section.Type.Fields() {
			require.NotEmpty(t, f.Tag.Get("key"), f.Name)
			_, hasDefault := f.Tag.Lookup("default")
			require.True(t, hasDefault, "%s has no default", f.Name)
		}
	}
	require.Len(t, settings, count)
	for _, s := range settings {
		require.False(t, seen[s.Env], "two settings are named %s", s.Env)
		seen[s.Env] = true
		require.Equal(t, s.Default, s.Value, "the default of %s is not in its shortest form", s.Env)
		require.Equal(t, "default", s.Source)
	}
}

func TestEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	t.Parallel()
	path := writeFile(t, `
app: {env: production}
http:
  addr: ":9000"
  body_limit: 2048
  trusted_proxies: [10.0.0.0/8, 192.168.1.7]
  docs: off
events: {backoff_min: 2s}
pool:
`)
	environ := []string{
		"HOME=/root", "APP_CONFIG=" + path,
		"APP_HTTP_ADDR=0.0.0.0:7000", "APP_EVENTS_LEASE=1m30s", "APP_DATABASE_URL=postgres://u:p@h/db",
	}
	cfg, err := config.Load(environ)
	require.NoError(t, err)
	require.Equal(t, "production", cfg.App.Env)
	require.Equal(t, "0.0.0.0:7000", cfg.HTTP.Addr)
	require.EqualValues(t, 2048, cfg.HTTP.BodyLimit)
	require.Equal(t, []string{"10.0.0.0/8", "192.168.1.7"}, cfg.HTTP.TrustedProxies)
	require.Equal(t, "off", cfg.HTTP.Docs)
	require.Equal(t, 2*time.Second, cfg.Events.BackoffMin)
	require.Equal(t, 90*time.Second, cfg.Events.Lease)
	require.Equal(t, 30*time.Second, cfg.HTTP.RequestTimeout)

	settings, err := config.List(environ)
	require.NoError(t, err)
	require.Equal(t, []string{"0.0.0.0:7000", "env"}, valueAndSource(settings, "http.addr"))
	require.Equal(t, []string{"2048", "file"}, valueAndSource(settings, "http.body_limit"))
	require.Equal(t, []string{"30s", "default"}, valueAndSource(settings, "http.request_timeout"))
	require.Equal(t, []string{"postgres://***@h/db", "env"}, valueAndSource(settings, "database.url"))
}

const (
	notInURL = "APP_TRACES_URL is set to a value that is not shown; it must be a URL, http://host:port, without user and parameters: " +
		"what authenticates goes into APP_TRACES_HEADERS"
	notHeaders = "APP_TRACES_HEADERS is set to a value that is not shown; it must be a list of name=value separated by commas"
)

// TestTracesSettings holds what a collector may be and be sent.
func TestTracesSettings(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://127.0.0.1:4318", "https://collector/otlp/v1/traces", "http://[::1]:4318/"} {
		cfg, err := config.Load([]string{"APP_TRACES_URL=" + url, "APP_TRACES_HEADERS=Authorization=Bearer a=b, x-team = shop ,empty="})
		require.NoError(t, err)
		require.Equal(t, url, cfg.Traces.URL)
		require.Equal(t, []string{"Authorization=Bearer a=b", "x-team = shop", "empty="}, cfg.Traces.Headers)
	}
}

// TestProblems compares whole messages: they are what a newcomer reads.
func TestProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environ []string
		file    string
		want    []string
	}{
		"not a duration": {
			environ: []string{"APP_HTTP_READ_TIMEOUT=30"},
			want:    []string{`APP_HTTP_READ_TIMEOUT is "30"; it must be a duration with its unit, such as 500ms, 30s or 10m, from 1ms to 168h; the default is 30s`},
		},
		"not a number": {
			environ: []string{"APP_HTTP_BODY_LIMIT=1MB"},
			want:    []string{`APP_HTTP_BODY_LIMIT is "1MB"; it must be a whole number from 1 to 1099511627776; the default is 1048576`},
		},
		// A limit that one is added to became less than nothing, and every body was refused.
		"the largest number": {
			environ: []string{"APP_HTTP_BODY_LIMIT=9223372036854775807"},
			want:    []string{`APP_HTTP_BODY_LIMIT is "9223372036854775807"; it must be a whole number from 1 to 1099511627776; the default is 1048576`},
		},
		// Which of the two counted was left to chance.
		"a key with a dot beside its section": {
			file: "http.addr: \":1\"\nhttp: {addr: \":2\"}\n",
			want: []string{`http.addr in FILE is given twice, as http: {addr} and as "http.addr"; keep one`},
		},
		"a section below a secret": {
			file: "database: {url: {\"postgres://u:hunter2@h/d\": }}\n",
			want: []string{`database.url in FILE is a section; it must be one value`},
		},
		// The reader of YAML quotes what it does not understand, which may be the password.
		"a file that is a secret": {
			file: "hunter2\n",
			want: []string{`read the file that APP_CONFIG names: FILE is not YAML: see line 1`},
		},
		"a secret that begins like an alias": {
			file: "database:\n  url: *hunter2\n",
			want: []string{`read the file that APP_CONFIG names: FILE is not YAML: it has a key twice, or a value that does not fit`},
		},
		"not YAML": {
			file: "http:\n  addr: [\n",
			want: []string{`read the file that APP_CONFIG names: FILE is not YAML: line 2: did not find expected node content`},
		},
		"an empty key": {
			file: "\"\": 1\n",
			want: []string{`"" in FILE is not a setting; "check --print-config" lists them all`},
		},
		"not a size": {
			environ: []string{"APP_HTTP_MEMORY=256MB"},
			want:    []string{`APP_HTTP_MEMORY is "256MB"; it must be a number of bytes, such as 256MiB, 1GiB or 0, from 0 to 1125899906842624; the default is 0`},
		},
		"a size out of range": {
			environ: []string{"APP_HTTP_MEMORY=9000000000GiB"},
			want:    []string{`APP_HTTP_MEMORY is "9000000000GiB"; it must be a number of bytes, such as 256MiB, 1GiB or 0, from 0 to 1125899906842624; the default is 0`},
		},
		"too large": {
			environ: []string{"APP_DATABASE_MAX_CONNS=100000"},
			want:    []string{`APP_DATABASE_MAX_CONNS is "100000"; it must be a whole number from 2 to 1000; the default is 16`},
		},
		"not one of": {
			environ: []string{"APP_LOG_LEVEL=verbose"},
			want:    []string{`APP_LOG_LEVEL is "verbose"; it must be debug, info, warn or error; the default is info`},
		},
		"not a truth value": {
			environ: []string{"APP_LOG_ACCESS=yes"},
			want:    []string{`APP_LOG_ACCESS is "yes"; it must be true or false; the default is true`},
		},
		"not an address": {
			environ: []string{"APP_HTTP_ADDR=8080"},
			want:    []string{`APP_HTTP_ADDR is "8080"; it must be an address to listen on, host:port; the default is 127.0.0.1:8080`},
		},
		"not a network": {
			environ: []string{"APP_HTTP_TRUSTED_PROXIES=10.0.0.0/8,proxy"},
			want:    []string{`APP_HTTP_TRUSTED_PROXIES is "10.0.0.0/8,proxy"; it must be a list of addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7`},
		},
		"secret": {
			environ: []string{"APP_DATABASE_URL=mysql://root:hunter2@db/shop"},
			want:    []string{`APP_DATABASE_URL is set to a value that is not shown; it must be sqlite:<file> or postgres://user:password@host:port/name; the default is sqlite:data/plugboard.db`},
		},
		"traces": {
			environ: []string{"APP_TRACES_URL=collector:4318", "APP_TRACES_HEADERS=Bearer hunter2", "APP_TRACES_SAMPLE=101", "APP_TRACES_SERVICE="},
			want: []string{
				`APP_TRACES_URL is "collector:4318"; it must be a URL, http://host:port`,
				`APP_TRACES_HEADERS is set to a value that is not shown; it must be a list of name=value separated by commas`,
				`APP_TRACES_SAMPLE is "101"; it must be a whole number from 0 to 100; the default is 100`,
				`APP_TRACES_SERVICE is empty; it must be a text; the default is plugboard`,
			},
		},
		"secrets in the URL of a collector": {
			environ: []string{"APP_TRACES_URL=https://team:hunter2@host/v1/traces"},
			want:    []string{notInURL},
		},
		"parameters in the URL of a collector": {
			environ: []string{"APP_TRACES_URL=https://host/v1/traces?api_key=hunter2"},
			want:    []string{notInURL},
		},
		"secrets in what is no URL": {
			environ: []string{"APP_TRACES_URL=team:hunter2@host:4318"},
			want:    []string{notInURL},
		},
		"a header's name": {
			environ: []string{"APP_TRACES_HEADERS=bad name=1"},
			want:    []string{notHeaders},
		},
		"a header without a name": {
			environ: []string{"APP_TRACES_HEADERS=a=1,=x"},
			want:    []string{notHeaders},
		},
		"a header of two lines": {
			environ: []string{"APP_TRACES_HEADERS=a=1\r\nb: hunter2"},
			want:    []string{notHeaders},
		},
		"empty": {
			environ: []string{"APP_DATABASE_URL="},
			want:    []string{`APP_DATABASE_URL is empty; it must be sqlite:<file> or postgres://user:password@host:port/name; the default is sqlite:data/plugboard.db`},
		},
		"too long a duration": {
			environ: []string{"APP_HTTP_WRITE_TIMEOUT=2000000h"},
			want:    []string{`APP_HTTP_WRITE_TIMEOUT is "2000000h"; it must be a duration with its unit, such as 500ms, 30s or 10m, from 1ms to 168h; the default is 30s`},
		},
		"all at once, with suggestions": {
			environ: []string{"APP_HTTP_ADRR=:1", "APP_LOG_LEVEL=loud", "APP_DATABSE_URL=secret", "APP_LISTEN=:80", "APP_ZZZZZZZZZZZ=1", "APP_http_addr=:1"},
			want: []string{
				`APP_DATABSE_URL is not a setting; did you mean APP_DATABASE_URL?`,
				`APP_HTTP_ADRR is not a setting; did you mean APP_HTTP_ADDR?`,
				`APP_LISTEN is not a setting; the address to listen on is APP_HTTP_ADDR`,
				`APP_ZZZZZZZZZZZ is not a setting; "check --print-config" lists them all`,
				`APP_http_addr is not a setting; did you mean APP_HTTP_ADDR?`,
				`APP_LOG_LEVEL is "loud"; it must be debug, info, warn or error; the default is info`,
			},
		},
		"service links": {
			environ: []string{
				"APP_SERVICE_HOST=10.0.0.1", "APP_SERVICE_PORT=80", "APP_SERVICE_PORT_HTTP=80", "APP_PORT=tcp://10.0.0.1:80",
				"APP_PORT_8080_TCP=tcp://10.0.0.1:80", "APP_PORT_8080_TCP_ADDR=10.0.0.1",
				"APP_ADMIN_SERVICE_HOST=10.0.0.2", "APP_ADMIN_PORT_9_UDP_PROTO=udp", "APP_PORT_=1",
			},
			want: []string{
				`APP_PORT_ is not a setting; the address to listen on is APP_HTTP_ADDR`,
				`APP_PORT, APP_PORT_8080_TCP, APP_PORT_8080_TCP_ADDR, APP_SERVICE_HOST, APP_SERVICE_PORT, APP_SERVICE_PORT_HTTP: not a setting; ` +
					`Kubernetes adds such variables for a Service named "app": set enableServiceLinks: false in the pod's spec, or rename the Service (the address to listen on is APP_HTTP_ADDR)`,
				`APP_ADMIN_PORT_9_UDP_PROTO, APP_ADMIN_SERVICE_HOST: not a setting; ` +
					`Kubernetes adds such variables for a Service named "app-admin": set enableServiceLinks: false in the pod's spec, or rename the Service (the address to listen on is APP_HTTP_ADDR)`,
			},
		},
		"a port of one's own": {
			environ: []string{"APP_PORT=8080", "APP_HTTP_PORT=8080"},
			want: []string{
				`APP_HTTP_PORT is not a setting; the address to listen on is APP_HTTP_ADDR`,
				`APP_PORT is not a setting; the address to listen on is APP_HTTP_ADDR`,
			},
		},
		"across": {
			environ: []string{"APP_EVENTS_BACKOFF_MIN=20m", "APP_HTTP_READ_TIMEOUT=1s", "APP_EVENTS_POLL=2h"},
			want: []string{
				`APP_EVENTS_BACKOFF_MAX is 10m; it must be at least APP_EVENTS_BACKOFF_MIN, which is 20m`,
				`APP_HTTP_READ_TIMEOUT is 1s; it must be at least APP_HTTP_HEADER_TIMEOUT, which is 5s`,
				`APP_EVENTS_LEASE is 30s; it must be at least APP_EVENTS_POLL, which is 2h`,
			},
		},
		"file": {
			file: "http: {adr: x, docs: [1], body_limit: }\nlog: info\nlogg: {level: info}\nevents: {attempts: 0}\n",
			want: []string{
				`"http.adr" in FILE is not a setting; did you mean http.addr?`,
				`log in FILE is a section; give its settings, such as log.level`,
				`"logg.level" in FILE is not a setting; did you mean log.level?`,
				`http.body_limit in FILE is empty; it must be a whole number from 1 to 1099511627776; the default is 1048576`,
				`http.docs in FILE is a list; it must be auto, on or off; the default is auto`,
				`events.attempts in FILE is "0"; it must be a whole number from 1 to 100; the default is 12`,
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.file != "" {
				path := writeFile(t, tt.file)
				tt.environ = append(tt.environ, "APP_CONFIG="+path)
				for i := range tt.want {
					tt.want[i] = strings.ReplaceAll(tt.want[i], "FILE", path)
				}
			}
			cfg, err := config.Load(tt.environ)
			require.Error(t, err)
			require.Equal(t, strings.Join(tt.want, "\n"), err.Error())
			require.Equal(t, config.Default(), withoutWrong(cfg, name))
		})
	}
}

// withoutWrong puts right what "across" left in place: the setting that is not the one told.
func withoutWrong(cfg config.Config, name string) config.Config {
	if name == "across" {
		d := config.Default()
		cfg.Events.BackoffMin, cfg.Events.Poll = d.Events.BackoffMin, d.Events.Poll
	}
	return cfg
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"APP_CONFIG=/nowhere/settings.yaml"})
	require.EqualError(t, err, "read the file that APP_CONFIG names: open /nowhere/settings.yaml: no such file or directory")
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]string{
		"postgres://user:hunter2@db:5432/shop?sslpassword=hunter2": "postgres://***@db:5432/shop",
		"postgres://db/shop":                  "postgres://db/shop",
		"sqlite:data/x.db?_pragma=k(hunter2)": "sqlite:data/x.db",
		"postgres://user:hun%zzter2@db/shop":  "***",
		"hunter2":                             "***",
		// A password with one of these is not encoded as it must be, and the URL seems to have it for a host.
		"postgres://u:1/hunter2@db/shop":   "***",
		"postgres://u:1?hunter2@db/shop":   "***",
		"postgres://u:1#hunter2@db/shop":   "***",
		"postgres://a:a@database/database": "postgres://***@database/database",
		"":                                 "***",
	} {
		require.Equal(t, want, config.Redact(secret), secret)
	}
}

func TestPrintShowsNoSecret(t *testing.T) {
	t.Parallel()
	settings, err := config.List([]string{"APP_DATABASE_URL=postgres://user:hunter2@db/shop"})
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, config.Print(&out, settings))
	require.NotContains(t, out.String(), "hunter2")
	require.Contains(t, out.String(), "APP_DATABASE_URL")
	require.Contains(t, out.String(), "postgres://***@db/shop")
}

// FuzzLoad feeds the loader any environment and any file: it must neither panic nor let a wrong value
// through, and never repeat a secret.
func FuzzLoad(f *testing.F) {
	f.Add("APP_HTTP_ADDR", ":80", "http: {addr: x}")
	f.Add("APP_DATABASE_URL", "postgres://u:hunter2@h/d", "")
	f.Add("APP_POST_PASSWORD", "hunter2", "post: {limit: 1e3, timeout: 9h, share: .nan, regions: {a: b}, target: [x]}")
	f.Add("APP_POST_PASSWORD_FILE", "/dev/zero", "post: 1")
	f.Add("APP_PORT_80_TCP", "tcp://1", "app: [1]\n? {a: b}\n: c")
	f.Add("APP_", "", "http:\n  1: 2\n  true: {a: [b]}")
	f.Fuzz(func(t *testing.T, name, value, file string) {
		path := writeFile(t, file)
		cfg, err := config.Load([]string{name + "=" + value, "APP_CONFIG=" + path}, section[courier]("post"))
		if c := own[courier](t, cfg); c.Limit < 1 || c.Limit > 100 || c.Timeout <= 0 || c.Share > 1 || !strings.HasPrefix(c.Prefix, "sk_") {
			t.Fatalf("a wrong value of a section came through: %+v", c)
		}
		if cfg.HTTP.BodyLimit < 1 || cfg.HTTP.ReadTimeout <= 0 || cfg.Pool.Share > 100 {
			t.Fatalf("a wrong value came through: %+v", cfg)
		}
		secret := name == "APP_DATABASE_URL" || name == "APP_POST_PASSWORD"
		if err != nil && strings.Contains(value, "hunter2") && secret && strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("a secret is told: %v", err)
		}
	})
}

func valueAndSource(settings []config.Setting, key string) []string {
	for _, s := range settings {
		if s.Key == key {
			return []string{s.Value, s.Source}
		}
	}
	return nil
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// Every number may be reckoned with: a setting without an upper limit is a sum that overflows somewhere.
func TestEveryNumberHasBothLimits(t *testing.T) {
	t.Parallel()
	page := reflect.TypeFor[config.Config]()
	for section := range page.Fields() {
		if !section.IsExported() {
			continue
		}
		for f := range section.Type.Fields() {
			if kind := f.Type.Kind(); kind == reflect.Int || kind == reflect.Int64 || kind == reflect.Uint64 {
				require.Regexp(t, `(^|,)min=`, f.Tag.Get("binding"), "%s.%s", section.Name, f.Name)
				require.Regexp(t, `(^|,)max=`, f.Tag.Get("binding"), "%s.%s", section.Name, f.Name)
			}
		}
	}
}

// What is allowed and should be looked at is told, with the exact words that an operator searches for.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const secret, harmless = "database: {url: \"postgres://u:p@h/d\"}\n", "http: {addr: \":1\"}\n"
	const secretOpen = "FILE has mode MODE and holds what is secret (database.url): others on this machine may read or change it; chmod 600 FILE"
	const open = "FILE has mode MODE: others on this machine may change the settings; chmod 600 FILE"
	for name, tt := range map[string]struct {
		file string
		mode os.FileMode
		want string
	}{
		"a secret for everybody":        {secret, 0o666, secretOpen},
		"a secret that all may read":    {secret, 0o644, secretOpen},
		"a secret the group may change": {secret, 0o660, secretOpen},
		"a secret the group may read":   {secret, 0o640, ""},
		"a secret of one's own":         {secret, 0o600, ""},
		"settings all may change":       {harmless, 0o666, open},
		"settings all may read":         {harmless, 0o644, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, tt.file)
			require.NoError(t, os.Chmod(path, tt.mode))
			want := strings.NewReplacer("FILE", path, "MODE", fmt.Sprintf("%04o", tt.mode)).Replace(tt.want)
			require.Equal(t, want, strings.Join(config.Warnings([]string{"APP_CONFIG=" + path}), "\n"))
		})
	}
	require.Empty(t, config.Warnings(nil))
	require.Empty(t, config.Warnings([]string{"APP_CONFIG=/nowhere/settings.yaml"}))
}

// X-Forwarded-For was believed of everybody, and nobody was told.
func TestEverybodyIsNoProxy(t *testing.T) {
	t.Parallel()
	for network, wide := range map[string]bool{
		"0.0.0.0/0": true, "::/0": true, "128.0.0.0/1": true, "8000::/1": true, "::ffff:0.0.0.0/96": true, "::ffff:0.0.0.0/90": true,
		"10.0.0.0/8": false, "fc00::/7": false, "192.168.1.7": false, "::1": false,
	} {
		warnings := config.Warnings([]string{"APP_HTTP_TRUSTED_PROXIES=" + network})
		if !wide {
			require.Empty(t, warnings, network)
			continue
		}
		require.Equal(t, []string{"APP_HTTP_TRUSTED_PROXIES has " + network + ", which holds more than any network of one's own: whoever connects " +
			"from there may claim any address in X-Forwarded-For; name your proxies"}, warnings)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		bytes config.Size
		shown string
	}{
		"0": {0, "0"}, "1000": {1000, "1000"}, "512B": {512, "512"}, "64KiB": {64 << 10, "64KiB"}, "256MiB": {256 << 20, "256MiB"},
		"2048 MiB": {2 << 30, "2GiB"}, "268435456": {256 << 20, "256MiB"},
	} {
		cfg, err := config.Load([]string{"APP_HTTP_MEMORY=" + text})
		require.NoError(t, err, text)
		require.Equal(t, want.bytes, cfg.HTTP.Memory)
		require.Equal(t, want.shown, cfg.HTTP.Memory.String())
	}
}

func TestTheFrontDoorsSettings(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{
		"APP_HTTP_DOCS=true", "APP_HTTP_HOSTS=https://shop.example", "APP_HTTP_CORS_ORIGINS=https://shop.example/", "APP_OPS_ADDR=8081",
		"APP_HTTP_CORS_MAX_AGE=48h",
	})
	require.EqualError(t, err, `APP_HTTP_HOSTS is "https://shop.example"; it must be a list of host names or addresses separated by commas, such as shop.example,10.0.0.7, or *
APP_HTTP_CORS_ORIGINS is "https://shop.example/"; it must be a list of origins separated by commas, such as https://shop.example, or *
APP_HTTP_CORS_MAX_AGE is "48h"; it must be a duration with its unit, such as 500ms, 30s or 10m, from 0 to 24h; the default is 10m
APP_HTTP_DOCS is "true"; it must be auto, on or off; the default is auto
APP_OPS_ADDR is "8081"; it must be an address to listen on, host:port, or auto, or off; the default is auto`)
	_, err = config.Load([]string{"APP_HTTP_CORS_ORIGINS=*", "APP_HTTP_CORS_CREDENTIALS=true", "APP_HTTP_TLS_KEY=x"})
	require.EqualError(t, err, `APP_HTTP_CORS_CREDENTIALS is true; it does not go with * in APP_HTTP_CORS_ORIGINS: name the origins whose pages may send cookies
APP_HTTP_TLS_KEY and APP_HTTP_TLS_CERT go together: give both, or neither`)
	cfg, err := config.Load([]string{"APP_HTTP_HOSTS=*, Shop.example:80", "APP_HTTP_CORS_ORIGINS=http://a.example:81,https://b.example", "APP_OPS_ADDR=off"})
	require.NoError(t, err)
	require.Equal(t, []string{"*", "Shop.example:80"}, cfg.HTTP.Hosts)
	require.True(t, cfg.HTTP.ShowsDocs(cfg.App))
	require.False(t, cfg.HTTP.ShowsDocs(config.App{Env: "production"}))
}
