package plugins

import (
	"context"
	"fmt"
	"strconv"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/domains/products/models"
)

// DeleteProductRequest names the product of DELETE /products/{id}.
type DeleteProductRequest struct {
	ID int64 `uri:"id" json:"-" binding:"min=1" example:"1"`
}

// DeleteProductData names the product that is gone.
type DeleteProductData struct {
	ID int64 `json:"id" example:"1"`
}

// DeleteProductResponse is the answer of DELETE /products/{id}.
type DeleteProductResponse = app.Response[DeleteProductData]

// ProductDeleted is announced when a product is gone; it says what the product was.
type ProductDeleted struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Topic implements app.Event.
func (ProductDeleted) Topic() string { return "product.deleted" }

// Key implements app.Keyed: what is announced of one product is handled in order.
func (e ProductDeleted) Key() string { return strconv.FormatInt(e.ID, 10) }

// DeleteProduct is the plugin that serves DELETE /products/{id}.
var DeleteProduct = app.Plugin[*DeleteProductPlugin]("products.delete_product", NewDeleteProductPlugin)

// DeleteProductPlugin removes products.
type DeleteProductPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

// NewDeleteProductPlugin takes what the plugin needs; Fx resolves it by type.
func NewDeleteProductPlugin(db *gorm.DB, bus app.Bus) *DeleteProductPlugin {
	return &DeleteProductPlugin{db: db, bus: bus}
}

// OnBoot registers what the plugin serves and announces.
func (p *DeleteProductPlugin) OnBoot(b *app.Boot) {
	b.DELETE("/products/:id", app.Handle(p.Execute), app.Tags("Products"), app.Fails(app.NotFound))
	b.Publishes(ProductDeleted{})
}

// Execute removes a product and announces it, both or neither. Of two callers who remove the same product,
// one succeeds.
//
//	@ID				products.delete_product
//	@Summary		Delete a product
//	@Description	Removes the product and announces product.deleted, both or neither.
//	@Tags			Products
//	@Produce		json
//	@Param			id									path		integer	true	"The product's id"	minimum(1)
//	@Success		200									{object}	DeleteProductResponse
//	@Failure		400,403,404,421,422,500,503,504,507	{object}	app.Failure
//	@Router			/products/{id} [delete]
func (p *DeleteProductPlugin) Execute(ctx context.Context, req DeleteProductRequest) (DeleteProductData, error) {
	err := app.InTx(ctx, p.db, func(ctx context.Context) error {
		var product models.Product
		deleted := p.db.WithContext(ctx).Clauses(clause.Returning{}).Where("id = ?", req.ID).Delete(&product)
		if deleted.Error != nil {
			return fmt.Errorf("delete row: %w", deleted.Error)
		}
		if deleted.RowsAffected == 0 {
			return noProduct(req.ID)
		}
		return p.bus.Publish(ctx, ProductDeleted{ID: product.ID, Name: product.Name})
	})
	if err != nil {
		return DeleteProductData{}, fmt.Errorf("delete product: %w", err)
	}
	return DeleteProductData{ID: req.ID}, nil
}
