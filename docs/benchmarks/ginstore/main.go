// Command ginstore is the peer of the benchmark of POST /products: the same service written by hand with Gin
// and GORM. It commits the same transactions as ours on a SQLite file with the same pragmas: the product, its
// outbox event and the event's deliveries in one; the notification and the end of its delivery in another, in
// batches, after the request. It recovers nothing after a crash and retries nothing, which ours does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
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
	Name  string  `gorm:"not null;uniqueIndex" json:"name"`
	Price float64 `gorm:"not null" json:"price"`
}

// Event mirrors the outbox's table events.
type Event struct {
	ID        string `gorm:"primaryKey"`
	Topic     string `gorm:"not null"`
	Payload   []byte `gorm:"not null"`
	RequestID string
	CreatedAt time.Time `gorm:"not null"`
}

// Delivery mirrors the outbox's table deliveries.
type Delivery struct {
	EventID      string    `gorm:"primaryKey"`
	Subscription string    `gorm:"primaryKey"`
	State        string    `gorm:"not null;index"`
	Attempt      int       `gorm:"not null"`
	LeaseUntil   time.Time `gorm:"not null"`
}

// Notification mirrors the table notifications.
type Notification struct {
	ID        int64     `gorm:"primaryKey" json:"id"`
	EventID   string    `gorm:"not null;uniqueIndex" json:"-"`
	Topic     string    `gorm:"not null" json:"topic"`
	ProductID int64     `gorm:"not null;index" json:"product_id"`
	CreatedAt time.Time `gorm:"not null" json:"created_at"`
}

// store is the service.
type store struct {
	db            *gorm.DB
	subscriptions int
	committed     chan committed
}

// committed is a product whose transaction has committed.
type committed struct {
	event   string
	product int64
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	file := flag.String("db", "", "SQLite file")
	subscriptions := flag.Int("subscriptions", 1, "durable subscriptions of the event: deliveries written with it; 0 writes no outbox")
	flag.Parse()
	if err := run(*addr, *file, *subscriptions); err != nil {
		fmt.Fprintln(os.Stderr, "ginstore:", err)
		os.Exit(1)
	}
}

func run(addr, file string, subscriptions int) error {
	db, err := open(file)
	if err != nil {
		return err
	}
	s := &store{db: db, subscriptions: subscriptions, committed: make(chan committed, 1<<16)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.deliver()
	}()
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
	close(s.committed)
	<-done
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
	if err := db.AutoMigrate(&Product{}, &Event{}, &Delivery{}, &Notification{}); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return db, nil
}

func (s *store) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.LoggerWithConfig(gin.LoggerConfig{Output: os.Stdout}), gin.Recovery())
	engine.POST("/products", s.create)
	engine.GET("/notifications", s.notifications)
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
	event := uuid.Must(uuid.NewV7()).String()
	err := s.db.WithContext(c.Request.Context()).Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&product).Error; err != nil {
			return err
		}
		return s.announce(tx, event, product)
	})
	if err != nil {
		fail(c, http.StatusInternalServerError, err)
		return
	}
	s.committed <- committed{event: event, product: product.ID}
	c.Header("Location", fmt.Sprintf("/products/%d", product.ID))
	c.JSON(http.StatusCreated, envelope{Success: true, Data: product})
}

// announce writes the event and its deliveries.
func (s *store) announce(tx *gorm.DB, id string, product Product) error {
	if s.subscriptions == 0 {
		return nil
	}
	payload, err := json.Marshal(product)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	if err := tx.Create(&Event{ID: id, Topic: "product.created", Payload: payload, CreatedAt: now}).Error; err != nil {
		return err
	}
	deliveries := make([]Delivery, s.subscriptions)
	for i := range deliveries {
		deliveries[i] = Delivery{EventID: id, Subscription: fmt.Sprint("subscription-", i), State: "running", Attempt: 1, LeaseUntil: now.Add(30 * time.Second)}
	}
	return tx.Create(&deliveries).Error
}

// deliver stores notifications until the channel is closed, up to 64 in one transaction.
func (s *store) deliver() {
	for first := range s.committed {
		batch := []committed{first}
		for len(batch) < 64 && len(s.committed) > 0 {
			batch = append(batch, <-s.committed)
		}
		if err := s.db.Transaction(func(tx *gorm.DB) error { return s.notify(tx, batch) }); err != nil {
			fmt.Fprintln(os.Stderr, "ginstore: notify:", err)
		}
	}
}

func (s *store) notify(tx *gorm.DB, batch []committed) error {
	for _, c := range batch {
		n := Notification{EventID: c.event, Topic: "product.created", ProductID: c.product, CreatedAt: time.Now().UTC()}
		if err := tx.Create(&n).Error; err != nil {
			return err
		}
		if s.subscriptions == 0 {
			continue
		}
		if err := tx.Exec("UPDATE deliveries SET state = 'done' WHERE event_id = ?", c.event).Error; err != nil {
			return err
		}
	}
	return nil
}

// notifications tells how many there are.
func (s *store) notifications(c *gin.Context) {
	var total int64
	if err := s.db.WithContext(c.Request.Context()).Model(&Notification{}).Count(&total).Error; err != nil {
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
