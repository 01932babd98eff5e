package app

import (
	"context"
	"flag"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// PluginInfo describes a plugin to the host: to checks, errors, the graph and the documentation.
type PluginInfo struct {
	// Name is "<domain>.<file>", for example "products.create_product".
	Name string
	// Type is the plugin's Go type.
	Type reflect.Type
	// Constructor is the function that makes the plugin. Its parameters are resolved by Fx.
	Constructor any
	// Source is where the plugin was declared, as "file:line". With -trimpath the file is relative
	// to the module.
	Source string
}

// Endpoint is a registered HTTP endpoint, for the host.
type Endpoint struct {
	Plugin PluginInfo
	// Source is where the endpoint was registered, as "file:line".
	Source string
	Method string
	// Path is in Gin's form: "/products/:id".
	Path string
	// Handler is the typed handler; it is the zero Handler for a raw endpoint.
	Handler Handler
	// Raw is the Gin handler of an endpoint registered with [Boot.Raw], otherwise nil.
	Raw gin.HandlerFunc
	// Options are the endpoint's options. Nobody fills in defaults: zero means "not given".
	Options EndpointOptions
}

// Publication is an event type that a plugin announced to publish, for the host.
type Publication struct {
	Plugin PluginInfo
	Source string
	Event  Event
}

// Subscription is a registered event subscriber, for the host.
type Subscription struct {
	Plugin     PluginInfo
	Source     string
	Subscriber Subscriber
	Options    SubscribeOptions
}

// Answer is a registered responder to a query, for the host.
type Answer struct {
	Plugin    PluginInfo
	Source    string
	Responder Responder
}

// Schedule is a registered schedule, for the host.
type Schedule struct {
	Plugin     PluginInfo
	Source     string
	Spec       string
	Subscriber Subscriber
	Options    SubscribeOptions
}

// LoopInfo is a registered loop, for the host.
type LoopInfo struct {
	// Plugin is the loop's plugin, and zero for a loop of the service's own, made with [Loop].
	Plugin PluginInfo
	Source string
	Name   string
	Run    func(ctx context.Context) error
}

// ID names the loop among all loops: "<plugin>/<name>", or the name alone for a loop of the service's own.
func (l LoopInfo) ID() string {
	if l.Plugin.Name == "" {
		return l.Name
	}
	return l.Plugin.Name + "/" + l.Name
}

// CommandInfo is a registered command, for the host.
type CommandInfo struct {
	Plugin PluginInfo
	Source string
	// Short says in a line what the command does.
	Short string
	// Flags are the command's flags. They are set before Run is called.
	Flags *flag.FlagSet
	Run   func(ctx context.Context, call CommandCall) error
}

// Plugin describes the plugin that is being booted; for the host.
func (b *Boot) Plugin() PluginInfo { return b.plugin }

// Endpoints returns the registered endpoints, in order; for the host.
func (b *Boot) Endpoints() []Endpoint { return b.endpoints }

// Publications returns the announced events; for the host.
func (b *Boot) Publications() []Publication { return b.publications }

// Subscriptions returns the registered subscribers; for the host.
func (b *Boot) Subscriptions() []Subscription { return b.subscriptions }

// Answers returns the registered responders; for the host.
func (b *Boot) Answers() []Answer { return b.answers }

// Schedules returns the registered schedules, in order; for the host.
func (b *Boot) Schedules() []Schedule { return b.schedules }

// Loops returns the registered loops, in order; for the host.
func (b *Boot) Loops() []LoopInfo { return b.loops }

// Commands returns the registered commands; for the host.
func (b *Boot) Commands() []CommandInfo { return b.commands }

// EndpointOptions are the collected options of an endpoint, for the host. Zero means "not given".
type EndpointOptions struct {
	Tags     []string
	Summary  string
	Produces []string
	Accepts  []string
	Takes    reflect.Type
	Answers  reflect.Type
	Hidden   bool
	// Deprecated is true for an endpoint that will be removed. New programs should not use it from the day Since on. On
	// the day Sunset, if that is known, it may be gone.
	Deprecated bool
	Since      Date
	Sunset     Date
	Statuses   []int
	Fails      []Code
	Timeout    *time.Duration
	BodyLimit  int64
	Guards     []GuardFunc
	Security   []string
	Strict     bool
	Open       bool
	// Access are the rules on who may call: one, unless the plugin gave several, which is a mistake.
	Access []Access
	// Fresh is how long ago the caller's sign-in may be.
	Fresh  *time.Duration
	Allows []AllowFunc
	Limits []RateLimit
	// Idempotent is true for an endpoint whose repeated requests take effect once.
	Idempotent bool
}

// SubscribeOptions are the collected options of a subscription, for the host. Zero means "not given".
type SubscribeOptions struct {
	Name        string
	Formerly    []string
	Concurrency int
	Attempts    int
	BackoffMin  time.Duration
	BackoffMax  time.Duration
	Timeout     time.Duration
	Block       bool
	Volatile    bool
	Ahead       bool
}

// CollectEndpointOptions returns what options say together; for the host.
func CollectEndpointOptions(options []EndpointOption) EndpointOptions {
	return collect(options, EndpointOption.applyEndpoint)
}

// Registrar collects the plugins' registrations while the application is put together; for the host,
// which provides one to Fx. It is not safe for concurrent use; Fx runs invokes one after the other.
type Registrar struct {
	bus     func(plugin string) Bus
	logger  *zap.Logger
	metrics func(plugin string) prometheus.Registerer
	every   map[string][]EndpointOption
	asked   []string // sources of the app.Every that Fx has seen
	plugins []BootedPlugin
	loops   []LoopInfo
}

// BootedPlugin is a plugin whose OnBoot has run; for the host.
type BootedPlugin struct {
	// Instance is the plugin itself.
	Instance any
	// Boot holds what it registered.
	Boot *Boot
	// Err is the panic of a failed OnBoot, otherwise nil.
	Err error
}

// NewRegistrar returns a Registrar. Each plugin gets the bus that the function bus returns for its name, and logger with
// its name.
func NewRegistrar(bus func(plugin string) Bus, logger *zap.Logger) *Registrar {
	return &Registrar{bus: bus, logger: logger, every: map[string][]EndpointOption{}}
}

// Measure has each plugin get the registerer that the function metrics returns for its name. Without it, the metrics of plugins are
// shown nowhere.
func (r *Registrar) Measure(metrics func(plugin string) prometheus.Registerer) { r.metrics = metrics }

func (r *Registrar) metricsFor(plugin string) prometheus.Registerer {
	if r.metrics == nil {
		return prometheus.NewRegistry()
	}
	return r.metrics(plugin)
}

// Everies returns the sources of each [EveryPart] that is in the graph, wherever it stands.
func (r *Registrar) Everies() []string { return r.asked }

// Every gives options to all endpoints that the plugins of a domain register from now on.
func (r *Registrar) Every(domain string, options []EndpointOption) {
	r.every[domain] = append(r.every[domain], options...)
}

// Plugins returns the booted plugins in the order of their boot.
func (r *Registrar) Plugins() []BootedPlugin { return r.plugins }

// Loops returns the loops of the service's own, in order.
func (r *Registrar) Loops() []LoopInfo { return r.loops }

func (r *Registrar) busFor(plugin string) Bus { return r.bus(plugin) }

func (r *Registrar) loggerFor(plugin string) *zap.Logger {
	return r.logger.With(zap.String("plugin", plugin))
}

func (r *Registrar) boot(info PluginInfo, p Booter) {
	domain, _, _ := strings.Cut(info.Name, ".")
	r.plugins = append(r.plugins, BootPlugin(info, p, r.every[domain]...))
}

// BootPlugin runs p's OnBoot and returns what it registered, with its panic if it panicked; for the host. Every are the options of
// all endpoints of its domain.
func BootPlugin(info PluginInfo, p Booter, every ...EndpointOption) BootedPlugin {
	booted := BootedPlugin{Instance: p, Boot: &Boot{plugin: info, every: every}}
	if err := bootSafely(p, booted.Boot); err != nil {
		booted.Err = fmt.Errorf("plugin %s (%s): OnBoot %w", info.Name, info.Source, err)
	}
	return booted
}

func bootSafely(p Booter, b *Boot) (err error) {
	defer Recover(&err)
	p.OnBoot(b)
	return nil
}

// SettingsValues holds the settings of the domains, each under its type; for the host, which provides them to Fx.
type SettingsValues map[reflect.Type]any

// settingsOf returns the settings of type T. The host has none of a part that it cannot see.
func settingsOf[T any](values SettingsValues) (T, error) {
	settings, ok := values[reflect.TypeFor[T]()].(T)
	if !ok {
		return settings, fmt.Errorf("app.Settings[%s] is not in the list of a domain, or inside an fx.Module, which the host cannot look into; give it to app.Domain",
			reflect.TypeFor[T]())
	}
	return settings, nil
}
