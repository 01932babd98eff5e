package plugins

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/products/models"
)

// GetProductRequest names the product of GET /products/{id}.
type GetProductRequest struct {
	ID int64 `uri:"id" json:"-" binding:"min=1" example:"1"`
}

// GetProductData is one product.
type GetProductData struct {
	ID    int64   `json:"id" example:"1"`
	Name  string  `json:"name" example:"Desk lamp"`
	Price float64 `json:"price" example:"49.9"`
}

// GetProductResponse is the answer of GET /products/{id}.
type GetProductResponse = app.Response[GetProductData]

// GetProduct is the plugin that serves GET /products/{id}.
var GetProduct = app.Plugin[*GetProductPlugin]("products.get_product", NewGetProductPlugin)

// GetProductPlugin reads one product.
type GetProductPlugin struct {
	db *gorm.DB
}

// NewGetProductPlugin takes what the plugin needs; Fx resolves it by type.
func NewGetProductPlugin(db *gorm.DB) *GetProductPlugin {
	return &GetProductPlugin{db: db}
}

// OnBoot registers what the plugin serves.
func (p *GetProductPlugin) OnBoot(b *app.Boot) {
	b.GET("/products/:id", app.Handle(p.Execute), app.Tags("Products"), app.Fails(app.NotFound))
}

// Execute returns the product with the id asked for.
//
//	@ID			products.get_product
//	@Summary	Get a product
//	@Tags		Products
//	@Produce	json
//	@Param		id							path		integer	true	"The product's id"	minimum(1)
//	@Success	200							{object}	GetProductResponse
//	@Failure	400,404,421,422,500,503,504	{object}	app.Failure
//	@Router		/products/{id} [get]
func (p *GetProductPlugin) Execute(ctx context.Context, req GetProductRequest) (GetProductData, error) {
	var product models.Product
	err := p.db.WithContext(ctx).Take(&product, req.ID).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return GetProductData{}, noProduct(req.ID)
	}
	if err != nil {
		return GetProductData{}, fmt.Errorf("get product: %w", err)
	}
	return GetProductData{ID: product.ID, Name: product.Name, Price: product.Price}, nil
}

// noProduct tells the caller that there is no product with the id.
func noProduct(id int64) error {
	return app.Errorf(app.NotFound, "product %d does not exist", id)
}
