// Command ginstore is the peer of the benchmark of POST /products: the same service written by hand with Gin
// and GORM. It commits the same transactions as ours on a SQLite file with the same tables and pragmas; see
// outbox.go. It recovers nothing after a crash, retries nothing, and does not bound what waits, which ours does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	_ "modernc.org/sqlite"
)

const pragmas = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_txlock=immediate"

// createProduct is the body of POST /products.
type createProduct struct {
	Name  string  `json:"name" binding:"required,min=1,max=200"`
	Price float64 `json:"price" binding:"required,gt=0,lte=1000000000"`
}

// envelope is every answer.
type envelope struct {
	Success bool    `json:"success"`
	Data    any     `json:"data"`
	Error   *string `json:"error"`
}

// Product mirrors the table products.
type Product struct {
	ID    int64   `gorm:"primaryKey" json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// store is the service.
type store struct {
	db     *gorm.DB
	outbox *outbox
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	file := flag.String("db", "", "SQLite file")
	flag.Parse()
	if err := run(*addr, *file); err != nil {
		fmt.Fprintln(os.Stderr, "ginstore:", err)
		os.Exit(1)
	}
}

func run(addr, file string) error {
	db, err := open(file)
	if err != nil {
		return err
	}
	s := &store{db: db, outbox: newOutbox(db)}
	s.outbox.start()
	server := &http.Server{Addr: addr, Handler: s.engine(), ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	err = server.Shutdown(context.Background())
	s.outbox.stop()
	return err
}

func open(file string) (*gorm.DB, error) {
	dialector := sqlite.New(sqlite.Config{DriverName: "sqlite", DSN: "file:" + file + pragmas})
	db, err := gorm.Open(dialector, &gorm.Config{SkipDefaultTransaction: true, Logger: logger.Discard})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool.SetMaxOpenConns(1)
	if err := db.Exec(tables).Error; err != nil {
		return nil, fmt.Errorf("make tables: %w", err)
	}
	return db, nil
}

func (s *store) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.LoggerWithConfig(gin.LoggerConfig{Output: os.Stdout}), gin.Recovery())
	engine.POST("/products", s.create)
	engine.GET("/audit", s.audit)
	engine.GET("/livez", func(c *gin.Context) { c.Status(http.StatusOK) })
	return engine
}

func (s *store) create(c *gin.Context) {
	var req createProduct
	if err := c.ShouldBindJSON(&req); err != nil {
		fail(c, http.StatusUnprocessableEntity, err)
		return
	}
	product := Product{Name: req.Name, Price: req.Price}
	var e *event
	err := s.db.WithContext(c.Request.Context()).Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&product).Error; err != nil {
			return err
		}
		var err error
		e, err = announce(tx, "product.created", product.ID, product, "", notifier, auditor)
		return err
	})
	if err != nil {
		fail(c, http.StatusInternalServerError, err)
		return
	}
	s.outbox.notify <- e
	s.outbox.audit <- e
	c.Header("Location", fmt.Sprintf("/products/%d", product.ID))
	c.JSON(http.StatusCreated, envelope{Success: true, Data: product})
}

// audit tells how many entries there are.
func (s *store) audit(c *gin.Context) {
	var total int64
	if err := s.db.WithContext(c.Request.Context()).Model(&AuditEntry{}).Count(&total).Error; err != nil {
		fail(c, http.StatusInternalServerError, err)
		return
	}
	c.JSON(http.StatusOK, envelope{Success: true, Data: gin.H{"total": total}})
}

func fail(c *gin.Context, status int, err error) {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		status = http.StatusConflict
	}
	text := err.Error()
	c.JSON(status, envelope{Error: &text})
}
