package config_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/config"
)

// courier has a setting of each kind.
type courier struct {
	Sender   string        `key:"sender" binding:"required,email"`
	Password string        `key:"password" default:"" secret:"true"`
	Timeout  time.Duration `key:"timeout" default:"3s" binding:"min=1ms,max=1m"`
	Limit    int           `key:"limit" default:"10" binding:"min=1,max=100"`
	Bytes    int64         `key:"bytes"`
	Share    float64       `key:"share" default:"0.5" binding:"min=0,max=1"`
	Enabled  bool          `key:"enabled" binding:"required"`
	Regions  []string      `key:"regions" default:"eu,us"`
	Target   *url.URL      `key:"target"`
	Prefix   string        `key:"prefix" default:"sk_" binding:"startswith=sk_"`
}

func section[T any](name string) config.Section {
	return config.Section{Name: name, Type: reflect.TypeFor[T](), Source: "domains/" + name + "/" + name + ".go:9"}
}

func own[T any](t *testing.T, cfg config.Config) (found T) {
	t.Helper()
	for _, v := range cfg.Own() {
		if v, ok := v.(T); ok {
			return v
		}
	}
	t.Fatalf("no %s among %v", reflect.TypeFor[T](), cfg.Own())
	return found
}

func TestASectionIsReadLikeTheHosts(t *testing.T) {
	t.Parallel()
	s := section[courier]("post")
	file := writeFile(t, "post: {sender: a@b.example, limit: 7, regions: [x, y]}\n")
	cfg, err := config.Load([]string{
		"APP_CONFIG=" + file, "APP_POST_LIMIT=8", "APP_POST_ENABLED=false", "APP_POST_TARGET=https://u:hunter2@pay.example/v1", "APP_POST_SHARE=0.25",
	}, s)
	require.NoError(t, err)
	got := own[courier](t, cfg)
	require.Equal(t, "https://u:hunter2@pay.example/v1", got.Target.String())
	got.Target = nil
	require.Equal(t, courier{
		Sender: "a@b.example", Timeout: 3 * time.Second, Limit: 8, Share: 0.25, Regions: []string{"x", "y"}, Prefix: "sk_",
	}, got)

	settings, err := config.List([]string{
		"APP_CONFIG=" + file, "APP_POST_ENABLED=0", "APP_POST_PASSWORD=hunter2", "APP_POST_TARGET=https://u:hunter2@pay.example/v1",
	}, s)
	require.NoError(t, err)
	require.Equal(t, []string{"***", "env"}, valueAndSource(settings, "post.password"))
	require.Equal(t, []string{"https://***@pay.example/v1", "env"}, valueAndSource(settings, "post.target"))
	require.Equal(t, []string{"a@b.example", "file"}, valueAndSource(settings, "post.sender"))
	require.Equal(t, []string{"0", "default"}, valueAndSource(settings, "post.bytes"))
	last := settings[len(settings)-1]
	require.Equal(t, config.Setting{
		Key: "post.prefix", Env: "APP_POST_PREFIX", Value: "sk_", Default: "sk_", Wanted: "a text (startswith=sk_)", Source: "default",
		Package: reflect.TypeFor[courier]().PkgPath(), Field: "courier.Prefix",
	}, last)
}

func TestWrongValuesOfASection(t *testing.T) {
	t.Parallel()
	given := []string{"APP_POST_SENDER=a@b.example", "APP_POST_ENABLED=true"}
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"misspelt":             {[]string{"APP_POST_TIMEOOT=3s"}, "APP_POST_TIMEOOT is not a setting; did you mean APP_POST_TIMEOUT?"},
		"no unit":              {[]string{"APP_POST_TIMEOUT=7"}, `APP_POST_TIMEOUT is "7"; it must be a duration with its unit, such as 500ms, 30s or 10m, from 1ms to 1m; the default is 3s`},
		"too many":             {[]string{"APP_POST_LIMIT=101"}, `APP_POST_LIMIT is "101"; it must be a whole number from 1 to 100; the default is 10`},
		"not a share":          {[]string{"APP_POST_SHARE=NaN"}, `APP_POST_SHARE is "NaN"; it must be a number from 0 to 1; the default is 0.5`},
		"not a URL":            {[]string{"APP_POST_TARGET=pay.example"}, `APP_POST_TARGET is "pay.example"; it must be a URL, such as https://example.org/path`},
		"a password in a URL":  {[]string{"APP_POST_TARGET=u:hunter2@pay"}, `APP_POST_TARGET is set to a value that is not shown; it must be a URL, such as https://example.org/path`},
		"a rule of validator":  {[]string{"APP_POST_PREFIX=pk_"}, `APP_POST_PREFIX is "pk_"; it must be a text (startswith=sk_); the default is sk_`},
		"required and empty":   {[]string{"APP_POST_SENDER="}, `APP_POST_SENDER is empty; it must be an e-mail address`},
		"a file for no secret": {[]string{"APP_POST_LIMIT_FILE=/x"}, "APP_POST_LIMIT_FILE is not a setting; APP_POST_LIMIT is no secret: give its value itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(append(append([]string(nil), given...), c.environ...), section[courier]("post"))
			require.EqualError(t, err, c.want)
		})
	}
}

func TestASettingThatMustBeGiven(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(nil, section[courier]("post"))
	require.EqualError(t, err, "APP_POST_SENDER is not given; it must be an e-mail address\nAPP_POST_ENABLED is not given; it must be true or false")
	require.NoError(t, config.WithoutMissing(err))
	require.Equal(t, 10, own[courier](t, cfg).Limit)

	_, err = config.Load([]string{"APP_POST_LIMIT=x"}, section[courier]("post"))
	require.ErrorContains(t, config.WithoutMissing(err), "APP_POST_LIMIT")
	require.NotContains(t, config.WithoutMissing(err).Error(), "SENDER")
	require.NoError(t, config.WithoutMissing(nil))
}

// pair has a rule between its settings.
type pair struct {
	Least int `key:"least" default:"1"`
	Most  int `key:"most" default:"2"`
}

func (p *pair) Validate() error {
	if p.Most == 0 {
		panic("no most")
	}
	if p.Most < p.Least {
		return errors.New("most is below least")
	}
	return nil
}

func TestARuleBetweenSettingsOfASection(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]string{
		"APP_PAIR_MOST=0": "settings of pair: its Validate panicked: no most", "APP_PAIR_LEAST=3": "settings of pair: most is below least",
	} {
		_, err := config.Load([]string{environ}, section[pair]("pair"))
		require.EqualError(t, err, want)
	}
	cfg, err := config.Load([]string{"APP_PAIR_MOST=3"}, section[pair]("pair"))
	require.NoError(t, err)
	require.Equal(t, pair{1, 3}, own[pair](t, cfg))
}

// Each faulty use is told with both places, and nothing panics.
func TestFaultySections(t *testing.T) {
	t.Parallel()
	type one struct {
		Timeout string `key:"timeout"`
	}
	type two struct {
		ReadTimeout string `key:"read_timeout"`
	}
	type secret struct {
		Key  string `key:"key" secret:"true"`
		File string `key:"key_file"`
	}
	type shapes struct {
		one
		hidden string `key:"hidden"` //nolint:unused // it is what is refused
		NoKey  string
		Map    map[string]string `key:"map"`
		Any    any               `key:"any"`
		Case   string            `key:"aKey"`
		Dot    string            `key:"a.b"`
		Rule   string            `key:"rule" binding:"frobnicate"`
		Below  int               `key:"below" default:"0" binding:"min=1"`
		Zero   int               `key:"zero" binding:"min=1"`
		Unit   time.Duration     `key:"unit" default:"3"`
	}
	in := func(name, goName string) string {
		return "setting " + goName + " of domain " + name + " (domains/" + name + "/" + name + ".go:9)"
	}
	for name, c := range map[string]struct {
		sections []config.Section
		want     []string
	}{
		"a section of the host's": {
			[]config.Section{section[one]("http"), section[two]("config")},
			[]string{
				`domain http (domains/http/http.go:9) has app.Settings, but "http" is a section of the host's settings (package config); name the domain otherwise`,
				`domain config (domains/config/config.go:9) has app.Settings, but "config" is a section of the host's settings (package config); name the domain otherwise`,
			},
		},
		"a name of the host's": {
			[]config.Section{section[one]("http_read")},
			[]string{"APP_HTTP_READ_TIMEOUT is the host's setting http.read_timeout and also " + in("http_read", "one.Timeout") + "; give one of them another key"},
		},
		"a name of another domain": {
			[]config.Section{section[two]("post"), section[one]("post_read")},
			[]string{"APP_POST_READ_TIMEOUT is " + in("post", "two.ReadTimeout") + " and also " + in("post_read", "one.Timeout") + "; give one of them another key"},
		},
		"a name of a file with a secret": {
			[]config.Section{section[secret]("post")},
			[]string{"APP_POST_KEY_FILE is " + in("post", "secret.Key") + " and also " + in("post", "secret.File") + "; give one of them another key"},
		},
		"a type of two domains": {
			[]config.Section{section[one]("post"), section[one]("mailbox")},
			[]string{"config_test.one is in app.Settings twice: of domain post (domains/post/post.go:9) and of domain mailbox " +
				"(domains/mailbox/mailbox.go:9); each domain has a type of its own"},
		},
		"no struct": {
			[]config.Section{section[string]("post"), section[*one]("post"), {Name: "x", Source: "x.go:1"}},
			[]string{
				"domain post (domains/post/post.go:9): app.Settings needs a struct type with a name, not *config_test.one",
				"domain x (x.go:1): app.Settings needs a struct type with a name, not nothing",
				"domain post (domains/post/post.go:9): app.Settings needs a struct type with a name, not string",
			},
		},
		"fields": {
			[]config.Section{section[shapes]("post")},
			[]string{
				in("post", "shapes.one") + " is an embedded struct; settings are fields of the struct itself",
				in("post", "shapes.hidden") + " is not exported, so nothing can set it; write it with a capital letter",
				in("post", "shapes.NoKey") + " has no key; add the tag key, as in `key:\"timeout\"`",
				in("post", "shapes.Map") + " has type map[string]string; a setting is a string, bool, int, int64, float64, time.Duration, []string or *url.URL",
				in("post", "shapes.Any") + " has type interface {}; a setting is a string, bool, int, int64, float64, time.Duration, []string or *url.URL",
				in("post", "shapes.Case") + ` has the key "aKey"; a key is made of lower case letters, digits and _, and begins with a letter`,
				in("post", "shapes.Dot") + ` has the key "a.b"; a key is made of lower case letters, digits and _, and begins with a letter`,
				in("post", "shapes.Rule") + ` has the rules "frobnicate", which cannot be read: Undefined validation function 'frobnicate' on field ''`,
				in("post", "shapes.Below") + ` has the default "0"; it must be a whole number of at least 1`,
				in("post", "shapes.Zero") + " has no default, and its rules (min=1) refuse 0; give it a default, or the rule required or omitempty",
				in("post", "shapes.Unit") + ` has the default "3"; it must be a duration with its unit, such as 500ms, 30s or 10m,`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Load(nil, c.sections...) // the rest is read
			require.NoError(t, err)
			require.Error(t, cfg.Faults())
			require.ElementsMatch(t, c.want, strings.Split(cfg.Faults().Error(), "\n"))
			require.Equal(t, cfg.Faults().Error(), config.Default().WithDefaults(c.sections...).Faults().Error())
		})
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	base := []string{"APP_POST_SENDER=a@b.example", "APP_POST_ENABLED=true"}
	load := func(environ ...string) (config.Config, error) {
		return config.Load(append(append([]string(nil), base...), environ...), section[courier]("post"))
	}
	for text, want := range map[string]string{"hunter2\n": "hunter2", "hunter2\r\n": "hunter2", "hunter2": "hunter2", " a b \n\n": " a b \n", "": ""} {
		cfg, err := load("APP_POST_PASSWORD_FILE=" + file(text))
		require.NoError(t, err)
		require.Equal(t, want, own[courier](t, cfg).Password)
	}
	cfg, err := load("APP_DATABASE_URL_FILE=" + file("postgres://u:hunter2@db/shop\n"))
	require.NoError(t, err)
	require.Equal(t, "postgres://u:hunter2@db/shop", cfg.Database.URL)
	settings, err := config.List([]string{"APP_DATABASE_URL_FILE=" + file("postgres://u:hunter2@db/shop\n")})
	require.NoError(t, err)
	require.Equal(t, []string{"postgres://***@db/shop", "secret file"}, valueAndSource(settings, "database.url"))

	folder := t.TempDir()
	for want, environ := range map[string][]string{
		"APP_POST_PASSWORD and APP_POST_PASSWORD_FILE are both given; keep one":                                                                                                           {"APP_POST_PASSWORD=x", "APP_POST_PASSWORD_FILE=" + file("y")},
		"read the file that APP_POST_PASSWORD_FILE names: stat /nowhere/secret: no such file or directory":                                                                                {"APP_POST_PASSWORD_FILE=/nowhere/secret"},
		"read the file that APP_POST_PASSWORD_FILE names: " + folder + " is not a regular file":                                                                                           {"APP_POST_PASSWORD_FILE=" + folder},
		"read the file that APP_POST_PASSWORD_FILE names: the name is empty":                                                                                                              {"APP_POST_PASSWORD_FILE="},
		"APP_DATABASE_URL_FILE is set to a value that is not shown; it must be sqlite:<file> or postgres://user:password@host:port/name; the default is " + config.Default().Database.URL: {"APP_DATABASE_URL_FILE=" + file("hunter2")},
		"APP_POST_PASSWORD_FIEL is not a setting; did you mean APP_POST_PASSWORD_FILE?":                                                                                                   {"APP_POST_PASSWORD_FIEL=x"},
	} {
		_, err := load(environ...)
		require.EqualError(t, err, want)
	}
	type keyed struct {
		Key string `key:"key" secret:"true" binding:"required"`
	}
	_, err = config.Load([]string{"APP_VAULT_KEY_FILE=/nowhere/secret"}, section[keyed]("vault"))
	require.EqualError(t, err, "read the file that APP_VAULT_KEY_FILE names: stat /nowhere/secret: no such file or directory", "it is not missing as well")
	huge := file(strings.Repeat("x", 1<<16+1))
	_, err = load("APP_POST_PASSWORD_FILE=" + huge)
	require.EqualError(t, err, "read the file that APP_POST_PASSWORD_FILE names: "+huge+" is larger than 65536 bytes, so it is no secret")
}

func TestConfigWithOtherSettings(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	changed := cfg.With(pair{5, 6})
	require.Empty(t, cfg.Own())
	require.Equal(t, pair{5, 6}, own[pair](t, changed))
	again := changed.With(pair{7, 8})
	require.Equal(t, pair{5, 6}, own[pair](t, changed), "a loaded Config does not change")
	require.Equal(t, pair{7, 8}, own[pair](t, again))
	complete := changed.WithDefaults(section[pair]("pair"), section[courier]("post"))
	require.Equal(t, pair{5, 6}, own[pair](t, complete))
	require.Equal(t, 10, own[courier](t, complete).Limit)
}
