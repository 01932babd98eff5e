package app

import (
	"context"
	"fmt"

	"go.uber.org/zap"
)

// Registrar collects the plugins' registrations while the application is put together; for the host,
// which provides one to Fx. It is not safe for concurrent use; Fx runs invokes one after the other.
type Registrar struct {
	bus     func(plugin string) Bus
	logger  *zap.Logger
	plugins []BootedPlugin
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

// Shutdowner is implemented by plugins that have something to end. Shutdown runs once when the
// application stops, after requests and subscribers have been drained and before the database is
// closed; it must return when ctx is done.
type Shutdowner interface {
	Shutdown(ctx context.Context) error
}

// NewRegistrar returns a Registrar whose plugins get their bus from bus, which is called with the
// plugin's name, and their logger from logger, named after the plugin.
func NewRegistrar(bus func(plugin string) Bus, logger *zap.Logger) *Registrar {
	return &Registrar{bus: bus, logger: logger}
}

// Plugins returns the booted plugins in the order of their boot.
func (r *Registrar) Plugins() []BootedPlugin { return r.plugins }

func (r *Registrar) busFor(plugin string) Bus { return r.bus(plugin) }

func (r *Registrar) loggerFor(plugin string) *zap.Logger {
	return r.logger.With(zap.String("plugin", plugin))
}

func (r *Registrar) boot(info PluginInfo, p Booter) {
	r.plugins = append(r.plugins, BootPlugin(info, p))
}

// BootPlugin runs p's OnBoot and returns what it registered, with its panic if it panicked; for the host.
func BootPlugin(info PluginInfo, p Booter) (booted BootedPlugin) {
	booted = BootedPlugin{Instance: p, Boot: &Boot{plugin: info}}
	defer func() {
		if v := recover(); v != nil {
			booted.Err = fmt.Errorf("plugin %s (%s): OnBoot panicked: %v", info.Name, info.Source, v)
		}
	}()
	p.OnBoot(booted.Boot)
	return booted
}
