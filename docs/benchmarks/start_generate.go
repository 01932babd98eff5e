package main

import "strings"

// The parts of the generated programs. _HOST_, the service's module, _D_, _N_, //IMPORTS and
// //MODULES are filled in.

const clockFile = `package a

import "time"

var Started = time.Now()
`

const schemas = `
type Request_N_ struct {
	Name  string  ` + "`json:\"name\" binding:\"required,min=1,max=200\"`" + `
	Price float64 ` + "`json:\"price\" binding:\"required,gt=0\"`" + `
}

type Data_N_ struct {
	ID    int64   ` + "`json:\"id\"`" + `
	Name  string  ` + "`json:\"name\"`" + `
	Price float64 ` + "`json:\"price\"`" + `
}

type Event_N_ struct {
	ID int64 ` + "`json:\"id\"`" + `
}

func (Event_N_) Topic() string { return "_D_.event_N_" }
`

const oursHeader = `import (
	"context"
	"net/http"

	"go.uber.org/zap"
	"gorm.io/gorm"

	"_HOST_/app"
)
`

const oursPlugin = schemas + `
type P_N_ struct {
	db     *gorm.DB
	bus    app.Bus
	logger *zap.Logger
}

var Plugin_N_ = app.Plugin[*P_N_]("_D_.p_N_", NewP_N_)

func NewP_N_(db *gorm.DB, bus app.Bus, logger *zap.Logger) *P_N_ { return &P_N_{db, bus, logger} }

func (p *P_N_) OnBoot(b *app.Boot) {
	b.POST("/_D_/p_N_", app.Handle(p.Execute), app.Tags("_D_"), app.Status(http.StatusCreated))
	b.Publishes(Event_N_{})
}

func (p *P_N_) Execute(ctx context.Context, req Request_N_) (Data_N_, error) {
	return Data_N_{ID: 1, Name: req.Name, Price: req.Price}, nil
}
`

// ownSettings has every plugin of a domain ask for the settings of that domain.
var ownSettings = strings.NewReplacer(
	"logger *zap.Logger) *P_N_ {", "logger *zap.Logger, _ Settings) *P_N_ {",
	"import (\n\t\"context\"\n\t\"net/http\"\n", "import (\n\t\"context\"\n\t\"net/http\"\n\t\"time\"\n",
	"var Domain = app.Domain(\"d%03d\",\n", "var Domain = app.Domain(\"d%03d\",\n\tapp.Settings[Settings](),\n",
)

const settingsType = `
type Settings struct {
	Sender   string        ` + "`key:\"sender\" default:\"shop@example.org\" binding:\"required,email\"`" + `
	Password string        ` + "`key:\"password\" default:\"\" secret:\"true\"`" + `
	Timeout  time.Duration ` + "`key:\"timeout\" default:\"3s\" binding:\"min=1ms,max=1m\"`" + `
	Limit    int           ` + "`key:\"limit\" default:\"10\" binding:\"min=1,max=100\"`" + `
	Enabled  bool          ` + "`key:\"enabled\" default:\"true\"`" + `
	Regions  []string      ` + "`key:\"regions\" default:\"eu,us\"`" + `
}
`

const oursMainFile = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"go.uber.org/fx"

	"a/a"
//IMPORTS
	"_HOST_/config"
	"_HOST_/infra/database"
	"_HOST_/infra/eventbus"
	"_HOST_/infra/host/application"
	"_HOST_/infra/httpserver"
	"_HOST_/infra/logging"
	"_HOST_/infra/telemetry"
	"_HOST_/infra/workpool"
)

var modules = fx.Options(
	logging.Module, telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module,
//MODULES
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx := context.Background()
	cfg, err := config.Load(os.Environ(), application.Sections(modules)...)
	if err != nil {
		return err
	}
	app, err := application.New(cfg, modules)
	if err != nil {
		return err
	}
	if err := app.Start(ctx); err != nil {
		return err
	}
	res, err := http.Get("http://" + app.Addr() + "/livez")
	if err != nil {
		return err
	}
	took := time.Since(a.Started)
	res.Body.Close()
	fmt.Println(took.Nanoseconds())
	return app.Stop(ctx)
}
`

const bareHeader = `import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"_HOST_/app"
)
`

const barePlugin = schemas + `
type P_N_ struct {
	db     *gorm.DB
	bus    app.Bus
	logger *zap.Logger
}

var Plugin_N_ = fx.Module("_D_.p_N_",
	fx.Provide(fx.Private, NewP_N_),
	fx.Invoke(func(p *P_N_, r *gin.Engine) { r.POST("/_D_/p_N_", p.handle) }),
)

func NewP_N_(db *gorm.DB, bus app.Bus, logger *zap.Logger) *P_N_ { return &P_N_{db, bus, logger} }

func (p *P_N_) handle(c *gin.Context) {
	var req Request_N_
	if err := c.ShouldBindJSON(&req); err != nil {
		c.JSON(http.StatusUnprocessableEntity, app.Failure{Error: err.Error(), Code: app.Invalid})
		return
	}
	data, err := p.Execute(c.Request.Context(), req)
	if err != nil {
		c.JSON(http.StatusInternalServerError, app.Failure{Error: "internal error", Code: app.Internal})
		return
	}
	c.JSON(http.StatusCreated, app.Response[Data_N_]{Success: true, Data: &data})
}

func (p *P_N_) Execute(ctx context.Context, req Request_N_) (Data_N_, error) {
	return Data_N_{ID: 1, Name: req.Name, Price: req.Price}, nil
}
`

const bareMainFile = `package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"a/a"
//IMPORTS
	"_HOST_/app"
)

var modules = fx.Options(
//MODULES
)

type bus struct{ app.Bus }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newEngine(lc fx.Lifecycle) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	return engine
}

func listen(lc fx.Lifecycle, engine *gin.Engine, addr *string) {
	server := &http.Server{Handler: engine}
	engine.GET("/livez", func(c *gin.Context) { c.Status(http.StatusOK) })
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			*addr = l.Addr().String()
			go server.Serve(l)
			return nil
		},
		OnStop: server.Shutdown,
	})
}

func run() error {
	ctx := context.Background()
	var addr string
	application := fx.New(
		fx.NopLogger,
		fx.Provide(newEngine, zap.NewNop, func() *gorm.DB { return &gorm.DB{} }, func() app.Bus { return bus{} }),
		modules,
		fx.Invoke(func(lc fx.Lifecycle, engine *gin.Engine) { listen(lc, engine, &addr) }),
	)
	if err := application.Start(ctx); err != nil {
		return err
	}
	res, err := http.Get("http://" + addr + "/livez")
	if err != nil {
		return err
	}
	took := time.Since(a.Started)
	res.Body.Close()
	fmt.Println(took.Nanoseconds())
	return application.Stop(ctx)
}
`
