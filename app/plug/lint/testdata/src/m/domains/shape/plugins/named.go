package plugins

import "m/app"

var Named = app.Plugin[*NamedPlugin]("shape.other", NewNamedPlugin) // want `a file named.go in the domain shape declares app.Plugin`

type NamedPlugin struct{}

func NewNamedPlugin() *NamedPlugin { return nil }

func (p *NamedPlugin) Execute() {} // want `method Execute stands too early`

func (p *NamedPlugin) OnBoot(b *app.Boot) {}

type NamedResponse struct{} // want `stands below the plugin`

var Second = 1 // want `one exported variable`
