package agree

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// application is an application of a test's.
type application struct {
	name   string
	module fx.Option
}

// odd is an application of the odd shapes.
var odd = application{"odd", oddshapes.Module()}

// start starts the application.
func (a application) start(t *testing.T) Service {
	t.Helper()
	return Service{Handler: a.boot(t).Host().Handler()}
}

func (a application) boot(t *testing.T) *apptest.App {
	t.Helper()
	quiet := fx.Decorate(func(*zap.Logger) *zap.Logger { return zap.NewNop() })
	return apptest.New(t, quiet, a.module)
}

// document is the document of the application, without words. An edit may change it first.
func (a application) document(t *testing.T, edit func(root map[string]any)) *Document {
	t.Helper()
	service, err := a.boot(t).Host().Manifest()
	require.NoError(t, err)
	text, err := openapi.Write(service, openapi.About{}, wordless{})
	require.NoError(t, err)
	doc, err := read(text, edit)
	require.NoError(t, err)
	return doc
}

// wordless says nothing.
type wordless struct{}

func (wordless) Operation(manifest.Endpoint) openapi.Words { return openapi.Words{} }
func (wordless) Declaration(string) string                 { return "" }
func (wordless) Tag(string) string                         { return "" }

// shop is an application with something to store, to find and to take away, and with a guard.
var shop = application{"shop", app.Domain("shop", app.Plugin[*shopPlugin]("shop.products", func() *shopPlugin { return &shopPlugin{products: map[int64]ProductData{}} }))}

type shopPlugin struct {
	mu       sync.Mutex
	last     int64
	products map[int64]ProductData
}

// CreateProductRequest is the request for a new product.
type CreateProductRequest struct {
	Name  string  `json:"name" binding:"required,min=1,max=200,notblank" example:"Desk lamp"`
	Price float64 `json:"price" binding:"required,gt=0,lte=1000000000" example:"49.9"`
}

// ProductData is a product.
type ProductData struct {
	ID    int64   `json:"id" example:"1"`
	Name  string  `json:"name" example:"Desk lamp"`
	Price float64 `json:"price" example:"49.9"`
}

type productRequest struct {
	ID int64 `uri:"id" json:"-" binding:"min=1" example:"1"`
}

// OnBoot registers the endpoints.
func (p *shopPlugin) OnBoot(b *app.Boot) {
	b.POST("/products", app.Handle(p.create), app.Status(http.StatusCreated), app.Fails(app.Conflict))
	b.GET("/products/:id", app.Handle(p.get), app.Fails(app.NotFound))
	b.DELETE("/products/:id", app.Handle(p.remove), app.Fails(app.NotFound))
	b.GET("/secret", app.Handle(p.secret), app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
		if r.Header.Get("X-Key") != "sesame" {
			return ctx, app.Errorf(app.Unauthorized, "the key is missing or wrong")
		}
		return ctx, nil
	}))
}

func (p *shopPlugin) create(_ context.Context, req CreateProductRequest) (ProductData, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, other := range p.products {
		if other.Name == req.Name {
			return ProductData{}, app.Errorf(app.Conflict, "there is one of that name")
		}
	}
	p.last++
	p.products[p.last] = ProductData{p.last, req.Name, req.Price}
	return p.products[p.last], nil
}

func (p *shopPlugin) get(_ context.Context, req productRequest) (ProductData, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	product, ok := p.products[req.ID]
	if !ok {
		return ProductData{}, app.Errorf(app.NotFound, "there is no such product")
	}
	return product, nil
}

func (p *shopPlugin) remove(ctx context.Context, req productRequest) (app.Empty, error) {
	if _, err := p.get(ctx, req); err != nil {
		return app.Empty{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.products, req.ID)
	return app.Empty{}, nil
}

func (p *shopPlugin) secret(context.Context, struct{}) (ProductData, error) {
	return ProductData{}, nil
}
