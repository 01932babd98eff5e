package plugins

import "m/app"

type GoodOneRequest struct{}

var GoodOne = app.Plugin[*GoodOnePlugin]("shape.good_one", NewGoodOnePlugin)

type GoodOnePlugin struct{}

func NewGoodOnePlugin() *GoodOnePlugin { return nil }

func (p *GoodOnePlugin) OnBoot(b *app.Boot) {}

func (p *GoodOnePlugin) Execute() {}
