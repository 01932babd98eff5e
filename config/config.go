// Package config holds every setting of the service on one page.
//
// For each setting it has the type, the default, the meaning and the limits. A setting's value is looked up in the
// environment, else in the file that APP_CONFIG names, else it is the default. The environment name is APP_ and the path in
// capitals: http.addr is APP_HTTP_ADDR. A loaded [Config] is a value that nobody changes.
package config

import "time"

// Config is every setting. The tags are: key, the name within its section; default; binding, the limits in
// go-playground/validator's terms; secret:"true", never printed. Every number and duration has both limits, so that
// whatever is reckoned with it cannot overflow.
type Config struct {
	App       App       `key:"app"`
	HTTP      HTTP      `key:"http"`
	Ops       Ops       `key:"ops"`
	Database  Database  `key:"database"`
	Events    Events    `key:"events"`
	Pool      Pool      `key:"pool"`
	Log       Log       `key:"log"`
	Traces    Traces    `key:"traces"`
	Outgoing  Outgoing  `key:"outgoing"`
	Mail      Mail      `key:"mail"`
	Lifecycle Lifecycle `key:"lifecycle"`

	own    []any // the settings of the domains' own
	faults error // of the sections of these settings
}

// App says what runs. Its settings have no section in their names: APP_ENV.
type App struct {
	// Env is "production" or "development". It decides what is shown where nothing else says it: the form of the log, and
	// whether the documentation is served. It never decides what a request does.
	Env string `key:"env" default:"development" binding:"oneof=production development"`
}

// HTTP configures the front door.
type HTTP struct {
	// Addr is the address to listen on, host:port. Port 0 takes a free one.
	Addr string `key:"addr" default:"127.0.0.1:8080" binding:"listen_addr"`
	// BodyLimit is the largest request body, in bytes. Larger ones are refused with 413.
	BodyLimit int64 `key:"body_limit" default:"1048576" binding:"min=1,max=1099511627776"`
	// HeaderLimit is the largest request head, in bytes. Larger ones are refused with 431.
	HeaderLimit int `key:"header_limit" default:"65536" binding:"min=4096,max=16777216"`
	// HeaderTimeout is the time a client has to send the request head.
	HeaderTimeout time.Duration `key:"header_timeout" default:"5s" binding:"min=1ms,max=168h"`
	// ReadTimeout is the time a client has to send the whole request.
	ReadTimeout time.Duration `key:"read_timeout" default:"30s" binding:"min=1ms,max=168h"`
	// IdleTimeout is how long an idle connection is kept.
	IdleTimeout time.Duration `key:"idle_timeout" default:"1m" binding:"min=1ms,max=168h"`
	// RequestTimeout is the deadline of a request. When it passes, the answer is 504.
	RequestTimeout time.Duration `key:"request_timeout" default:"30s" binding:"min=1ms,max=168h"`
	// WriteTimeout is the time beyond RequestTimeout that a client has to take the answer.
	WriteTimeout time.Duration `key:"write_timeout" default:"30s" binding:"min=1ms,max=168h"`
	// StallTimeout is how long a large body, or a binary answer, may stand still; then the connection is closed.
	// 0 is without such a limit.
	StallTimeout time.Duration `key:"stall_timeout" default:"10s" binding:"min=0,max=168h"`
	// Memory is how much all requests together may hold: bodies, forms, files, binary answers, and the work that
	// reserves memory. What goes beyond is refused with 503. 0 is half of the container's memory, or a quarter of
	// the machine's where there is no container.
	Memory Size `key:"memory" default:"0" binding:"min=0,max=1125899906842624"`
	// MaxConnections is the most connections that are open at a time. A further one takes the place of one that
	// is idle, or else is closed; a few more are accepted for the probes. 0 is without a limit.
	MaxConnections int `key:"max_connections" default:"2048" binding:"min=0,max=1000000"`
	// MaxInFlight is the most requests that are worked on at a time. Further ones are refused with 503, except
	// for the probes. 0 is without a limit.
	MaxInFlight int `key:"max_in_flight" default:"1024" binding:"min=0,max=1000000"`
	// TrustedProxies are the addresses or networks whose X-Forwarded-For is believed, separated by
	// commas. Nobody's is by default.
	TrustedProxies []string `key:"trusted_proxies" default:"" binding:"dive,ip|cidr"`
	// Hosts are the names and addresses, separated by commas, by which clients may call the service; requests for others
	// are refused with 421. Without any, a service on a loopback address answers for the loopback's names, and one on
	// another address for every name. "*" allows every name.
	Hosts []string `key:"hosts" default:"" binding:"dive,host_name"`
	// CORSOrigins are the sites, such as https://shop.example, whose pages may call the service from a browser and read its
	// answers, separated by commas. "*" stands for all of them, for requests without cookies. Without any, pages of other
	// sites can read nothing, and their forms and scripts change nothing (403).
	CORSOrigins []string `key:"cors_origins" default:"" binding:"dive,web_origin"`
	// CORSCredentials lets the pages of CORSOrigins send cookies along. It does not go with "*".
	CORSCredentials bool `key:"cors_credentials" default:"false"`
	// CORSMaxAge is how long a browser remembers which methods and headers a page may use.
	CORSMaxAge time.Duration `key:"cors_max_age" default:"10m" binding:"min=0,max=24h"`
	// IdempotencyKeep is how long the answer to a request with an Idempotency-Key is kept for its repeats, at least.
	IdempotencyKeep time.Duration `key:"idempotency_keep" default:"24h" binding:"min=1m,max=720h"`
	// TLSCert and TLSKey are the files of the certificate, with its chain, and of its key, in PEM. With them the service
	// speaks HTTPS; they are read again when they change. Without them it speaks plain HTTP, for a proxy in front.
	TLSCert string `key:"tls_cert" default:""`
	// TLSKey is the file of the certificate's key.
	TLSKey string `key:"tls_key" default:""`
	// Docs says whether /docs and /openapi.json are served: "on", "off", or "auto", which means outside production.
	Docs string `key:"docs" default:"auto" binding:"oneof=auto on off"`
}

// ShowsDocs reports whether the documentation is served.
func (h HTTP) ShowsDocs(a App) bool {
	return h.Docs == "on" || h.Docs == "auto" && a.Env != "production"
}

// Ops configures the operations listener: metrics, probes and profiles, apart from what callers reach.
type Ops struct {
	// Addr is the address to listen on, host:port, or "off". "auto" is 127.0.0.1:8081, or a free port with a warning when
	// that one is in use.
	Addr string `key:"addr" default:"auto" binding:"ops_addr"`
	// Pprof serves Go's profiles at /debug/pprof/ of that listener.
	Pprof bool `key:"pprof" default:"false"`
}

// Database configures the one database.
type Database struct {
	// URL is "sqlite:<file>" or "postgres://user:password@host:port/name?options". To a host other than this machine the
	// options must say sslmode: verify-full, verify-ca or require (encrypted), or disable (clear text). No variable PG… of
	// the environment counts, and no file that the URL does not name.
	URL string `key:"url" default:"sqlite:data/{service}.db" binding:"database_url" secret:"true"`
	// Migrate runs the migrations at start. Without it, start fails when they have not been run.
	Migrate bool `key:"migrate" default:"true"`
	// MaxConns is the most connections to Postgres, and the most readers on SQLite.
	MaxConns int `key:"max_conns" default:"16" binding:"min=2,max=1000"`
	// BusyTimeout is how long a transaction waits for the database to be free before it is refused
	// with 503.
	BusyTimeout time.Duration `key:"busy_timeout" default:"5s" binding:"min=1ms,max=1h"`
	// OpenTimeout is how long start waits for the database to answer.
	OpenTimeout time.Duration `key:"open_timeout" default:"10s" binding:"min=1ms,max=24h"`
	// SearchTimeout is how long a search for a part of a text, which no index helps, may take before it is
	// answered 504. A quarter of MaxConns search at a time.
	SearchTimeout time.Duration `key:"search_timeout" default:"2s" binding:"min=1ms,max=24h"`
	// SlowQuery is the duration from which a statement is logged as slow; 0 logs none.
	SlowQuery time.Duration `key:"slow_query" default:"500ms" binding:"min=0,max=24h"`
}

// Events configures the event bus.
type Events struct {
	// Concurrency is how many events a subscription handles at a time.
	Concurrency int `key:"concurrency" default:"4" binding:"min=1,max=1000"`
	// Attempts is how often a delivery is tried before it is dead.
	Attempts int `key:"attempts" default:"12" binding:"min=1,max=100"`
	// BackoffMin is the wait after the first failure.
	BackoffMin time.Duration `key:"backoff_min" default:"1s" binding:"min=1ms,max=720h"`
	// BackoffMax is the longest wait between two attempts.
	BackoffMax time.Duration `key:"backoff_max" default:"10m" binding:"min=1ms,max=720h"`
	// Timeout is how long one run of a subscriber may take.
	Timeout time.Duration `key:"timeout" default:"30s" binding:"min=1ms,max=168h"`
	// TxTimeout is how long one run of an OnTx subscriber may take on SQLite, where its transaction
	// holds the one writer.
	TxTimeout time.Duration `key:"tx_timeout" default:"1s" binding:"min=1ms,max=24h"`
	// Buffer is how many deliveries of one subscription wait in memory; more wait in the database.
	Buffer int `key:"buffer" default:"1024" binding:"min=1,max=1000000"`
	// Memory is how many bytes of durable events this process holds at most, their handlers' copies included; more wait in the
	// database. A subscription may always hold one event.
	Memory int64 `key:"memory" default:"67108864" binding:"min=65536,max=1099511627776"`
	// Lease is how long a replica on Postgres holds a delivery before others may take it over.
	Lease time.Duration `key:"lease" default:"30s" binding:"min=1s,max=24h"`
	// Poll is how often the database is asked for deliveries that nobody announced.
	Poll time.Duration `key:"poll" default:"1s" binding:"min=10ms,max=24h"`
	// Park is how long a payload this version cannot read is left to other versions before it is dead.
	Park time.Duration `key:"park" default:"15m" binding:"min=0,max=8760h"`
	// Retention is how long finished events are kept.
	Retention time.Duration `key:"retention" default:"168h" binding:"min=0,max=87600h"`
	// Schedules has this process publish what schedules have due. Where it is off, other replicas do.
	Schedules bool `key:"schedules" default:"true"`
}

// Pool configures the work pool for CPU-bound handlers.
type Pool struct {
	// Workers is how many jobs run at a time; 0 means one for each core.
	Workers int `key:"workers" default:"0" binding:"min=0,max=1024"`
	// Queue is how many jobs wait; 0 means 16 for each worker. More are refused with 503.
	Queue int `key:"queue" default:"0" binding:"min=0,max=100000"`
	// Share is the part of the queue, in percent, that one plugin may fill.
	Share int `key:"share" default:"50" binding:"min=1,max=100"`
	// JobTimeout is the run time from which a job is reported as overdue and its caller answered 504.
	JobTimeout time.Duration `key:"job_timeout" default:"30s" binding:"min=1ms,max=168h"`
	// Nice is by how much the workers' threads are lowered in priority, where the system allows it.
	Nice int `key:"nice" default:"15" binding:"min=0,max=19"`
}

// Log configures logging.
type Log struct {
	// Level is the lowest level logged.
	Level string `key:"level" default:"info" binding:"oneof=debug info warn error"`
	// Format is "json", "console", or "auto": json in production or when the output is no terminal.
	Format string `key:"format" default:"auto" binding:"oneof=auto json console"`
	// Access logs one line per request.
	Access bool `key:"access" default:"true"`
}

// Traces configures the export of traces, in the OpenTelemetry protocol over HTTP.
type Traces struct {
	// URL is where a collector takes traces, such as http://127.0.0.1:4318; /v1/traces is added unless it ends
	// so. What authenticates an export goes into the headers: a user or parameters in it are refused. Without it
	// nothing is traced.
	URL string `key:"url" default:"" binding:"omitempty,collector_url"`
	// Headers go with every export, for example to authenticate it.
	Headers []string `key:"headers" default:"" binding:"dive,header" secret:"true"`
	// Sample is the part, in percent, of the traces that begin here which are recorded. Others are recorded
	// when the caller's traceparent says so.
	Sample int `key:"sample" default:"100" binding:"min=0,max=100"`
	// Service is the name under which the collector shows this service.
	Service string `key:"service" default:"{service}" binding:"required"`
}

// Outgoing configures the client that plugins call other services with.
type Outgoing struct {
	// Timeout is how long a call may take, with its retries and the body of the answer, when its context has no deadline.
	Timeout time.Duration `key:"timeout" default:"10s" binding:"min=1ms,max=168h"`
	// Attempts is how often an idempotent call is tried: GET, HEAD, PUT, DELETE and OPTIONS, and any that has an Idempotency-Key.
	Attempts int `key:"attempts" default:"3" binding:"min=1,max=100"`
	// BodyLimit is the largest answer that is read.
	BodyLimit Size `key:"body_limit" default:"64MiB" binding:"min=1,max=1099511627776"`
}

// Mail configures how mail is sent.
type Mail struct {
	// Host is the SMTP server that takes the mail, by name or address. Without it mail is printed to the log outside
	// production; in production a service that sends mail does not start.
	Host string `key:"host" default:"" binding:"omitempty,mail_host"`
	// Port is the server's port: 587 is for mail of one's own users, 465 with TLS from the first byte, 25 for a relay.
	Port int `key:"port" default:"587" binding:"min=1,max=65535"`
	// TLS is "starttls": encrypted after a greeting, or not at all sent; "implicit": encrypted from the first byte; or "off": in clear
	// text, without a password unless the host is this machine.
	TLS string `key:"tls" default:"starttls" binding:"oneof=starttls implicit off"`
	// CA is a file, in PEM, with the authorities that the server's certificate must be from, in the place of the system's.
	CA string `key:"ca" default:""`
	// User is the name that the service gives to the server, by AUTH PLAIN or LOGIN. Without it, it gives none.
	User string `key:"user" default:""`
	// Password is the password of User.
	Password string `key:"password" default:"" secret:"true"`
	// From is the sender of all mail: shop@example.org or Shop <shop@example.org>. It is needed with Host.
	From string `key:"from" default:"" binding:"omitempty,mail_address"`
	// Timeout is how long sending one mail may take, from connecting to the server's last word.
	Timeout time.Duration `key:"timeout" default:"20s" binding:"min=1ms,max=1h"`
}

// Lifecycle configures start and stop. Each phase has a budget of its own.
type Lifecycle struct {
	// HookTimeout is how long one start hook may take.
	HookTimeout time.Duration `key:"hook_timeout" default:"15s" binding:"min=1ms,max=168h"`
	// MigrationTimeout is how long all migrations may take.
	MigrationTimeout time.Duration `key:"migration_timeout" default:"10m" binding:"min=1ms,max=168h"`
	// DrainDelay is how long the service goes on serving, not ready and with "Connection: close", before
	// it stops accepting, so that load balancers see it leave.
	DrainDelay time.Duration `key:"drain_delay" default:"0s" binding:"min=0,max=168h"`
	// DrainTimeout is how long requests and streams have to end.
	DrainTimeout time.Duration `key:"drain_timeout" default:"20s" binding:"min=1ms,max=168h"`
	// EventsTimeout is how long running subscribers have to end.
	EventsTimeout time.Duration `key:"events_timeout" default:"10s" binding:"min=1ms,max=168h"`
	// PoolTimeout is how long running jobs of the work pool have to end.
	PoolTimeout time.Duration `key:"pool_timeout" default:"10s" binding:"min=1ms,max=168h"`
	// StopTimeout is how long one stop hook, one plugin's Shutdown, or all loops together may take.
	StopTimeout time.Duration `key:"stop_timeout" default:"5s" binding:"min=1ms,max=168h"`
}
