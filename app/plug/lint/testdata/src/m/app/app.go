// Package app stands in for the contract, with what the rules look at.
package app

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"
)

type Boot struct{}

func (*Boot) GET(path string, h Handler, opts ...any)                 {}
func (*Boot) POST(path string, h Handler, opts ...any)                {}
func (*Boot) Publishes(events ...Event)                               {}
func (*Boot) Subscribe(s Subscriber, opts ...any)                     {}
func (*Boot) Schedule(spec string, s Subscriber, opts ...any)         {}
func (*Boot) Answer(r Responder)                                      {}
func (*Boot) Loop(name string, run func(context.Context) error)       {}
func (*Boot) Raw(method, path string, h gin.HandlerFunc, opts ...any) {}

type Event interface{ Topic() string }

type Due struct{}

func (Due) Topic() string { return "_due" }

type Handler struct{}

type Subscriber struct{}

type Responder struct{}

type PluginModule struct{}

type CommandModule struct{}

type DomainModule struct{}

type Page[T any] struct{ Items []T }

type Empty struct{}

func Answers[Res any]() any { return nil }

func HandleCPU[Req, Res any](fn func(context.Context, Req) (Res, error)) Handler { return Handler{} }

func Sleep(ctx context.Context, d time.Duration) bool { return false }

type Mail struct{}

type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

func Handle[Req, Res any](fn func(context.Context, Req) (Res, error)) Handler { return Handler{} }

func On[E Event](fn func(context.Context, E) error) Subscriber { return Subscriber{} }

func OnTx[E Event](fn func(context.Context, E) error) Subscriber { return Subscriber{} }

func Ahead() any { return nil }

func Plugin[P any](name string, constructor any) PluginModule { return PluginModule{} }

func Domain(name string, parts ...any) DomainModule { return DomainModule{} }

func InTx(ctx context.Context, db *gorm.DB, fn func(context.Context) error) error { return nil }

func Once[Res any](ctx context.Context, db *gorm.DB, fn func(context.Context) (Res, error)) (Res, error) {
	return fn(ctx)
}

func Idempotent() any { return nil }

func Reply[Q Event, A any](fn func(context.Context, Q) (A, error)) Responder { return Responder{} }

func Ask[A any](ctx context.Context, bus Bus, query Event) (A, error) {
	var answer A
	return answer, bus.Ask(ctx, query, &answer)
}

type Bus interface {
	Publish(ctx context.Context, event Event, opts ...any) error
	Ask(ctx context.Context, query Event, answer any) error
}

type Principal struct {
	ID          string
	Permissions []string
}

func (p Principal) Can(permission string) bool { return false }

func PrincipalFrom(ctx context.Context) (Principal, bool) { return Principal{}, false }

func Can(permission string) any { return nil }

func Every(opts ...any) any { return nil }

func Permission(name, meaning string) any { return nil }
