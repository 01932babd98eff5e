package plugins // want package:"permits.write permits.delete other.look permits.soon permits.secret"

import (
	"context"

	"m/app"
)

var X app.PluginModule

type x struct{ may string }

const remove = "permits.delete"

func Last() string { return "last" }

func (p *x) OnBoot(b *app.Boot) {
	b.POST("/x", app.Handle(p.Execute), app.Can("permits.write"))
	b.POST("/y", app.Handle(p.Execute), app.Can(remove))
	b.POST("/z", app.Handle(p.Execute), app.Can(p.may)) // want `the permission p.may is no constant, so nobody sees in the sources who may call`
	b.GET("/of_another", app.Handle(p.Execute), app.Can("other.look"))
	b.GET("/soon", app.Handle(p.Execute), app.Can("permits.soon")) //plug:allow permissions it comes with the next version
}

func (p *x) Execute(ctx context.Context, _ app.Empty) (app.Empty, error) {
	if who, _ := app.PrincipalFrom(ctx); who.Can("permits.secret") && who.Can(p.may) {
		return app.Empty{}, nil
	}
	who, _ := app.PrincipalFrom(ctx)
	if who.ID == "ann" || // want `the plugin knows somebody by the ID "ann", whom another database does not have`
		remove != who.ID { // want `the plugin knows somebody by the ID remove`
		return app.Empty{}, nil
	}
	switch who.ID {
	case p.may, "bob": // want `the plugin knows somebody by the ID "bob"`
	}
	switch {
	case who.ID == p.may, who.ID == "", p.may == "ann":
	}
	return app.Empty{}, nil
}
