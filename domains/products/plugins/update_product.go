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

// UpdateProductRequest is the body of PATCH /products/{id}: what is omitted stays as it is.
type UpdateProductRequest struct {
	ID    int64    `uri:"id" json:"-" binding:"min=1" example:"1"`
	Name  *string  `json:"name" binding:"omitempty,min=1,max=200,notblank" example:"Desk lamp"`
	Price *float64 `json:"price" binding:"omitempty,gt=0,lte=1000000000" example:"39.9"`
}

// UpdateProductData is the product after the change.
type UpdateProductData struct {
	ID    int64   `json:"id" example:"1"`
	Name  string  `json:"name" example:"Desk lamp"`
	Price float64 `json:"price" example:"39.9"`
}

// UpdateProductResponse is the answer of PATCH /products/{id}.
type UpdateProductResponse = app.Response[UpdateProductData]

// ProductUpdated is announced when a product has changed; it says what the product is now.
type ProductUpdated struct {
	ID    int64   `json:"id"`
	Name  string  `json:"name"`
	Price float64 `json:"price"`
}

// Topic implements app.Event.
func (ProductUpdated) Topic() string { return "product.updated" }

// Key implements app.Keyed: the changes of one product are handled in order.
func (e ProductUpdated) Key() string { return strconv.FormatInt(e.ID, 10) }

// UpdateProduct is the plugin that serves PATCH /products/{id}.
var UpdateProduct = app.Plugin[*UpdateProductPlugin]("products.update_product", NewUpdateProductPlugin)

// UpdateProductPlugin changes products.
type UpdateProductPlugin struct {
	db  *gorm.DB
	bus app.Bus
}

// NewUpdateProductPlugin takes what the plugin needs; Fx resolves it by type.
func NewUpdateProductPlugin(db *gorm.DB, bus app.Bus) *UpdateProductPlugin {
	return &UpdateProductPlugin{db: db, bus: bus}
}

// OnBoot registers what the plugin serves and announces.
func (p *UpdateProductPlugin) OnBoot(b *app.Boot) {
	b.PATCH("/products/:id", app.Handle(p.Execute), app.Tags("Products"), app.Fails(app.NotFound, app.Conflict))
	b.Publishes(ProductUpdated{})
}

// Execute changes what the request names and announces it, both or neither. The members are changed where
// they are stored, so two callers who change different members at the same time both succeed.
//
//	@ID				products.update_product
//	@Summary		Change a product
//	@Description	Changes the members given; the others stay. Announces product.updated unless none was given.
//	@Tags			Products
//	@Accept			json,application/merge-patch+json
//	@Produce		json
//	@Param			id													path		integer					true	"The product's id"	minimum(1)
//	@Param			body												body		UpdateProductRequest	true	"What to change"
//	@Success		200													{object}	UpdateProductResponse
//	@Failure		400,403,404,408,409,413,415,421,422,500,503,504,507	{object}	app.Failure
//	@Router			/products/{id} [patch]
func (p *UpdateProductPlugin) Execute(ctx context.Context, req UpdateProductRequest) (UpdateProductData, error) {
	var product models.Product
	err := app.InTx(ctx, p.db, func(ctx context.Context) (err error) {
		product, err = p.update(ctx, req)
		if err != nil || req.empty() {
			return err
		}
		return p.bus.Publish(ctx, ProductUpdated{ID: product.ID, Name: product.Name, Price: product.Price})
	})
	if err != nil {
		return UpdateProductData{}, fmt.Errorf("update product: %w", err)
	}
	return UpdateProductData{ID: product.ID, Name: product.Name, Price: product.Price}, nil
}

// update changes the given columns, and no other, and returns the row as it is then.
func (p *UpdateProductPlugin) update(ctx context.Context, req UpdateProductRequest) (models.Product, error) {
	changes := map[string]any{}
	if req.Name != nil {
		changes["name"] = *req.Name
	}
	if req.Price != nil {
		changes["price"] = *req.Price
	}
	var product models.Product
	db := p.db.WithContext(ctx).Model(&product)
	if len(changes) > 0 {
		db = db.Clauses(clause.Returning{}).Where("id = ?", req.ID).Updates(changes)
	} else {
		db = db.Where("id = ?", req.ID).Limit(1).Find(&product)
	}
	switch {
	case db.Error != nil && req.Name != nil:
		return product, nameTaken(db.Error, *req.Name)
	case db.Error != nil:
		return product, db.Error
	case db.RowsAffected == 0:
		return product, noProduct(req.ID)
	}
	return product, nil
}

func (r UpdateProductRequest) empty() bool { return r.Name == nil && r.Price == nil }
