package plugins

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/products/models"
)

// CreateProductRequest is the body of POST /products.
type CreateProductRequest struct {
	Name  string  `json:"name" binding:"required,min=1,max=200,notblank" example:"Desk lamp"`
	Price float64 `json:"price" binding:"required,gt=0,lte=1000000000" example:"49.9"`
}

// CreateProductData is what the caller learns about the new product.
type CreateProductData struct {
	ID    int64   `json:"id" example:"1"`
	Name  string  `json:"name" example:"Desk lamp"`
	Price float64 `json:"price" example:"49.9"`
}

// CreateProductResponse is the answer of POST /products.
type CreateProductResponse = app.Response[CreateProductData]

// ProductCreated is announced when a product is stored.
type ProductCreated struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// Topic implements app.Event.
func (ProductCreated) Topic() string { return "product.created" }

// Key implements app.Keyed: what is announced of one product is handled in order.
func (e ProductCreated) Key() string { return strconv.FormatInt(e.ID, 10) }

// CreateProduct is the plugin that serves POST /products.
var CreateProduct = app.Plugin[*CreateProductPlugin]("products.create_product", NewCreateProductPlugin)

// CreateProductPlugin stores products.
type CreateProductPlugin struct {
	db     *gorm.DB
	bus    app.Bus
	logger *zap.Logger
}

// NewCreateProductPlugin takes what the plugin needs; Fx resolves it by type.
func NewCreateProductPlugin(db *gorm.DB, bus app.Bus, logger *zap.Logger) *CreateProductPlugin {
	return &CreateProductPlugin{db: db, bus: bus, logger: logger}
}

// OnBoot registers what the plugin serves and announces.
func (p *CreateProductPlugin) OnBoot(b *app.Boot) {
	b.POST("/products", app.Handle(p.Execute), app.Tags("Products"), app.Status(http.StatusCreated), app.Fails(app.Conflict))
	b.Publishes(ProductCreated{})
}

// Execute stores a product and announces it, both or neither.
//
//	@ID				products.create_product
//	@Summary		Create a product
//	@Description	Stores a product and announces product.created, both or neither. The name must be new.
//	@Tags			Products
//	@Accept			json
//	@Produce		json
//	@Param			body											body		CreateProductRequest	true	"The product"
//	@Success		201												{object}	CreateProductResponse
//	@Header			201												{string}	Location	"The path of the new product"
//	@Failure		400,403,408,409,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Router			/products [post]
func (p *CreateProductPlugin) Execute(ctx context.Context, req CreateProductRequest) (CreateProductData, error) {
	var product models.Product
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		product = models.Product{Name: req.Name, Price: req.Price}
		if err := p.db.WithContext(ctx).Create(&product).Error; err != nil {
			return fmt.Errorf("insert product: %w", nameTaken(err, req.Name))
		}
		return p.bus.Publish(ctx, ProductCreated{ID: product.ID, Name: product.Name, Price: product.Price})
	})
	if err != nil {
		return CreateProductData{}, fmt.Errorf("create product: %w", err)
	}
	app.Logger(ctx, p.logger).Debug("product created", zap.Int64("product_id", product.ID))
	app.SetHeader(ctx, "Location", fmt.Sprintf("/products/%d", product.ID))
	return CreateProductData{ID: product.ID, Name: product.Name, Price: product.Price}, nil
}

// nameTaken says what a violated unique index means to the caller; other errors stay what they are.
func nameTaken(err error, name string) error {
	if app.CodeOf(err) != app.Conflict {
		return err
	}
	return app.Errorf(app.Conflict, "a product named %q already exists", name).Because(err)
}
