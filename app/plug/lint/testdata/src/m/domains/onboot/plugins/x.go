package plugins

import (
	"context"

	"gorm.io/gorm"

	"m/app"
)

type XPlugin struct {
	db   *gorm.DB
	on   bool
	many []string
}

func (p *XPlugin) OnBoot(b *app.Boot) {
	if p.on { // want `OnBoot registers the same everywhere, .* read the setting when a request runs, for example in an app.Guard`
		b.GET("/a", app.Handler{})
	}
	switch { // want `OnBoot registers the same everywhere`
	case p.on:
	}
	for range p.many { // want `OnBoot registers the same everywhere`
		b.GET("/b", app.Handler{})
	}
	for p.on { // want `OnBoot registers the same everywhere`
	}
	if p.on { //plug:allow onboot the documents are made with both
	}
	for _, path := range []string{"/c", "/d"} {
		b.GET(path, app.Handler{})
	}
	b.GET("/e", app.Handle(func(ctx context.Context, _ struct{}) (struct{}, error) {
		if p.on {
			return struct{}{}, p.db.WithContext(ctx).Find(nil).Error
		}
		return struct{}{}, nil
	}))
	var n int64
	p.db.WithContext(nil).Count(&n) // want `OnBoot runs before the database is open, and only registers`
	p.more(b)
	b.GET(p.path(), app.Handler{})
	b.Loop("later", p.later)
}

func (p *XPlugin) more(b *app.Boot) {
	if p.on { // want `OnBoot registers the same everywhere`
		return
	}
	p.load()
}

func (p *XPlugin) load() {
	p.db.Find(nil) // want `OnBoot runs before the database is open`
}

// path registers nothing: it may compute.
func (p *XPlugin) path() string {
	if len("a") > 0 {
		return "/f"
	}
	return "/g"
}

// later is named in OnBoot and called afterwards.
func (p *XPlugin) later(ctx context.Context) error {
	if p.on {
		p.db.WithContext(ctx).Find(nil)
	}
	return nil
}
