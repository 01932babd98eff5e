// Package outside knows what code does behind the host's back: which libraries or functions of the standard library
// reach files, processes, the network or a database, or wait where nobody can stop them.
package outside

import "strings"

// What a plugin asks its constructor for instead.
const (
	client = "make it in the service's infra/, provide it with fx.Provide, and ask the constructor for an interface that the domain declares"

	forHTTP     = "ask the constructor for an *http.Client"
	forMail     = "ask the constructor for an app.Mailer"
	forDatabase = "ask the constructor for the *gorm.DB"
	forLogging  = "ask the constructor for a *zap.Logger, which knows the plugin's name"
	forSettings = "declare a struct of settings, give it to the domain with app.Settings and ask the constructor for it"
	forProcess  = "start the program in the service's infra/, and ask the constructor for an interface that the domain declares"
	forEvents   = "publish an event with app.Bus, which is kept with the rows that it tells of"
	forRoutes   = "register the endpoint in OnBoot"
	forNothing  = "no plugin needs it"
)

// Standard says what to do instead of importing a package of the standard library, or "" when a domain may import it.
func Standard(path string) string {
	return map[string]string{
		"database/sql": forDatabase, "log": forLogging, "log/slog": forLogging, "log/syslog": forLogging,
		"flag": forSettings, "os/exec": forProcess, "os/signal": "the host ends the service; implement app.Shutdowner to end something with it",
		"os":      "take a setting with app.Settings, an upload as *app.File, and keep content in the database or behind an interface of the domain's that the service's infra/ provides",
		"os/user": forSettings, "net/smtp": forMail, "net/rpc": client, "net/rpc/jsonrpc": client,
		"net": "an address is read with net/netip; for a connection, " + client, "expvar": "ask the constructor for a prometheus.Registerer",
		"io/ioutil": "use io; a plugin reads no files", "net/http/cgi": forProcess, "net/http/fcgi": forRoutes, "net/http/httptest": "it is for tests",
		"net/http/pprof": "the host serves it beside /metrics", "plugin": forNothing, "syscall": forNothing, "unsafe": forNothing, "C": forNothing,
		"runtime/cgo": forNothing, "syscall/js": forNothing, "testing": "it is for tests",
	}[path]
}

// shared are libraries that plugins are made of, or that do no I/O unless they are told to. They are not looked into.
func shared() []string {
	return []string{
		"go.uber.org/fx", "go.uber.org/zap", "go.uber.org/multierr", "gorm.io/gorm", "github.com/gin-gonic/gin", "github.com/google/uuid",
		"github.com/prometheus/client_golang/prometheus", "go.opentelemetry.io/otel", "go.opentelemetry.io/otel/attribute",
		"go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/trace",
	}
}

// kind is a sort of library that reaches the outside. A library that imports one that connects does the same.
type kind struct {
	does, instead string
	connects      bool
}

// kinds are the known libraries that reach the outside, by what they do. Each is the beginning of import paths.
func kinds() map[kind][]string {
	return map[kind][]string{
		{"reaches a database past the host's transactions", forDatabase, true}: {
			"gorm.io/driver", "gorm.io/plugin/dbresolver", "github.com/glebarez/sqlite", "github.com/jackc/pgx", "github.com/jackc/pgconn", "github.com/lib/pq", "github.com/go-sql-driver/mysql",
			"github.com/mattn/go-sqlite3", "modernc.org/sqlite", "github.com/jmoiron/sqlx", "github.com/uptrace/bun", "entgo.io/ent", "xorm.io/xorm",
			"github.com/denisenkom/go-mssqldb", "github.com/microsoft/go-mssqldb", "github.com/ClickHouse/clickhouse-go", "github.com/godror/godror", "github.com/go-pg/pg",
			"github.com/pressly/goose", "github.com/golang-migrate/migrate", "github.com/volatiletech/sqlboiler", "github.com/aarondl/sqlboiler", "github.com/upper/db",
		},
		{"opens connections of its own", client, true}: {
			"github.com/redis", "github.com/go-redis", "github.com/gomodule/redigo", "github.com/valkey-io", "github.com/bradfitz/gomemcache", "go.mongodb.org/mongo-driver",
			"github.com/elastic", "github.com/opensearch-project", "github.com/olivere/elastic", "github.com/meilisearch", "github.com/neo4j", "github.com/gocql", "github.com/apache/cassandra-gocql-driver",
			"go.etcd.io", "github.com/hashicorp/consul/api", "github.com/hashicorp/vault/api", "github.com/influxdata",
			"github.com/aws", "cloud.google.com/go", "google.golang.org/api", "firebase.google.com/go", "github.com/Azure/azure-sdk-for-go", "github.com/minio/minio-go",
			"google.golang.org/grpc", "connectrpc.com/connect", "github.com/twitchtv/twirp", "github.com/stripe/stripe-go", "github.com/twilio", "github.com/slack-go", "github.com/openai", "github.com/sashabaranov/go-openai",
			"github.com/anthropics", "github.com/google/go-github", "github.com/PagerDuty", "github.com/getsentry", "github.com/DataDog", "github.com/newrelic",
			"github.com/gorilla/websocket", "github.com/coder/websocket", "nhooyr.io/websocket", "golang.org/x/net/websocket", "github.com/gobwas/ws", "golang.org/x/crypto/ssh", "github.com/pkg/sftp", "github.com/jlaffaye/ftp", "github.com/go-ldap", "github.com/miekg/dns", "github.com/docker", "k8s.io/client-go",
			"go.opentelemetry.io/otel/exporters", "go.opentelemetry.io/contrib", "github.com/prometheus/client_golang/api", "github.com/prometheus/client_golang/prometheus/push",
		},
		{"passes messages without the host", forEvents + "; for another system's broker, " + client, true}: {
			"github.com/nats-io", "github.com/segmentio/kafka-go", "github.com/IBM/sarama", "github.com/Shopify/sarama", "github.com/twmb/franz-go", "github.com/confluentinc", "github.com/rabbitmq", "github.com/streadway/amqp",
			"github.com/Azure/go-amqp", "github.com/eclipse/paho", "github.com/eclipse-paho", "github.com/apache/pulsar-client-go", "github.com/nsqio", "github.com/ThreeDotsLabs/watermill", "github.com/asaskevich/EventBus",
			"github.com/riverqueue/river", "github.com/hibiken/asynq", "github.com/RichardKnop/machinery", "github.com/go-stomp",
		},
		{"makes requests of its own", forHTTP, true}: {
			"github.com/go-resty", "resty.dev", "github.com/imroc/req", "github.com/valyala/fasthttp", "github.com/hashicorp/go-retryablehttp", "github.com/hashicorp/go-cleanhttp", "github.com/levigross/grequests",
			"github.com/parnurzeal/gorequest", "github.com/dghubble/sling", "github.com/carlmjohnson/requests", "golang.org/x/net/http2", "github.com/quic-go", "golang.org/x/oauth2", "github.com/gocolly", "github.com/chromedp",
		},
		{"sends mail past the host", forMail, true}: {
			"github.com/wneessen/go-mail", "gopkg.in/gomail", "gopkg.in/mail", "github.com/go-gomail", "github.com/jordan-wright/email", "github.com/xhit/go-simple-mail", "github.com/emersion/go-smtp", "github.com/sendgrid", "github.com/mailgun", "github.com/resend",
		},
		{"serves requests past the host", forRoutes, false}: {
			"github.com/labstack/echo", "github.com/gofiber", "github.com/go-chi", "github.com/gorilla/mux", "github.com/julienschmidt/httprouter", "github.com/danielgtaylor/huma", "github.com/emicklei/go-restful",
			"github.com/kataras/iris", "github.com/beego/beego", "github.com/cloudwego/hertz", "github.com/cloudwego/kitex", "github.com/prometheus/client_golang/prometheus/promhttp",
		},
		{"reads settings past the host", forSettings, false}: {
			"github.com/spf13/viper", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/knadh/koanf", "github.com/joho/godotenv", "github.com/caarlos0/env", "github.com/kelseyhightower/envconfig", "github.com/ilyakaznacheev/cleanenv", "github.com/sethvargo/go-envconfig", "github.com/urfave/cli", "github.com/alecthomas/kong",
		},
		{"logs past the host", forLogging, false}: {
			"github.com/sirupsen/logrus", "github.com/rs/zerolog", "github.com/golang/glog", "k8s.io/klog", "github.com/charmbracelet/log", "github.com/phuslu/log",
		},
		{"reaches files or processes", "do it in the service's infra/, and ask the constructor for an interface that the domain declares", false}: {
			"github.com/fsnotify/fsnotify", "github.com/spf13/afero", "github.com/gofrs/flock", "github.com/shirou/gopsutil", "golang.org/x/sys/unix", "golang.org/x/sys/windows", "github.com/hashicorp/go-plugin", "github.com/creack/pty", "github.com/go-git",
		},
		{"starts work that the host does not know", "publish an event for later work, or register b.Schedule for what is done at fixed times", false}: {
			"github.com/robfig/cron", "github.com/go-co-op/gocron", "github.com/panjf2000/ants", "github.com/alitto/pond", "github.com/sourcegraph/conc", "github.com/JekaMas/workerpool",
		},
	}
}

// Table are the libraries that are known, by the beginnings of their paths.
type Table struct {
	refused map[string]kind
	shared  map[string]bool
}

// NewTable returns the libraries that are known.
func NewTable() Table {
	t := Table{refused: map[string]kind{}, shared: map[string]bool{}}
	for k, paths := range kinds() {
		for _, path := range paths {
			t.refused[path] = k
		}
	}
	for _, path := range shared() {
		t.shared[path] = true
	}
	return t
}

// Library says what a library does behind the host's back, and what to do instead. Both are empty when the library is not
// known to do anything; it is then one that must be looked into, unless shared is true. The longest path that fits decides.
func (t Table) Library(path string) (does, instead string, shared bool) {
	k, shared := t.find(path)
	return k.does, k.instead, shared
}

func (t Table) find(path string) (k kind, shared bool) {
	for at := path; at != ""; {
		if k, ok := t.refused[unversioned(at)]; ok {
			return k, false
		}
		if t.shared[at] {
			return kind{}, true
		}
		cut := strings.LastIndexByte(at, '/')
		if cut < 0 {
			break
		}
		at = at[:cut]
	}
	return kind{}, false
}

// unversioned returns "gopkg.in/mail" for "gopkg.in/mail.v2".
func unversioned(path string) string {
	before, version, ok := strings.Cut(path, ".v")
	if ok && strings.Trim(version, "0123456789") == "" {
		return before
	}
	return path
}
