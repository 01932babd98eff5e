package plugins

import (
	_ "context"
	_ "database/sql" // want `database/sql goes past the host; ask the constructor for the \*gorm.DB`
	_ "database/sql/driver"
	_ "expvar"    // want `ask the constructor for a prometheus.Registerer`
	_ "flag"      // want `flag goes past the host; .* app.Settings`
	_ "io/ioutil" // want `use io; a plugin reads no files`
	_ "log/slog"  // want `ask the constructor for a \*zap.Logger`
	_ "net"       // want `net/netip`
	_ "net/http"
	_ "net/http/fcgi"  // want `register the endpoint in OnBoot`
	_ "net/http/pprof" // want `the host serves it beside /metrics`
	_ "net/netip"
	_ "net/smtp"  // want `net/smtp goes past the host; ask the constructor for an app.Mailer`
	_ "os"        // want `os goes past the host; take a setting with app.Settings`
	_ "os/exec"   // want `os/exec goes past the host; start the program in the service's infra/`
	_ "os/signal" // want `implement app.Shutdowner`
	_ "testing"   // want `it is for tests`
	_ "unsafe"    // want `no plugin needs it`

	_ "example.org/given"
	_ "example.org/mailer" // want `example.org/mailer reaches the outside by itself \(smtp.SendMail in example.org/mailer/mailer.go\); make it in the service's infra/`
	_ "example.org/pdf"
	_ "example.org/sdk"              // want `\(http.DefaultClient in example.org/sdk/internal/transport/transport.go\).* in its plug.yaml`
	_ "example.org/wrapper"          // want `\(github.com/redis/go-redis/v9 in example.org/wrapper/wrapper.go\)`
	_ "github.com/fsnotify/fsnotify" // want `reaches files or processes; do it in the service's infra/`
	_ "github.com/go-resty/resty/v2" // want `makes requests of its own; ask the constructor for an \*http.Client`
	_ "github.com/jackc/pgx/v5"      // want `reaches a database past the host's transactions; ask the constructor for the \*gorm.DB`
	_ "github.com/labstack/echo/v4"  // want `serves requests past the host; register the endpoint in OnBoot`
	_ "github.com/nats-io/nats.go"   // want `passes messages without the host; publish an event with app.Bus`
	_ "github.com/redis/go-redis/v9" //plug:allow imports only its types are named
	_ "github.com/redis/go-redis/v9" // want `go-redis/v9 opens connections of its own; make it in the service's infra/, provide it with fx.Provide, and ask the constructor for an interface`
	_ "github.com/robfig/cron/v3"    // want `starts work that the host does not know; .* b.Schedule`
	_ "github.com/rs/zerolog"        // want `logs past the host`
	_ "github.com/shopspring/decimal"
	_ "github.com/spf13/viper"      // want `reads settings past the host; declare a struct of settings`
	_ "github.com/wneessen/go-mail" // want `sends mail past the host; ask the constructor for an app.Mailer`
	_ "golang.org/x/sync/errgroup"
	_ "gopkg.in/gomail.v2" // want `sends mail past the host`
	_ "gorm.io/gorm"

	_ "m/app"
	_ "m/app/apptest"      // want `a domain knows app and itself`
	_ "m/config"           // want `a domain knows app and itself`
	_ "m/domains/ab"       // want `never imports another`
	_ "m/domains/b"        // want `never imports another`
	_ "m/domains/b/models" //plug:allow imports the two are one until the migration is done
	_ "m/domains/b/models" // want `declare an event struct of your own`
	_ "m/infra/database"   // want `ask the constructor`
)

//go:linkname hidden m/infra/database.hidden // want `behind its back`
func hidden()
