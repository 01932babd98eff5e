package plugins

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/domains/products/models"
)

// ListProductsRequest says which products GET /products returns.
type ListProductsRequest struct {
	app.PageQuery
	// Q is a part of the name, of at least two characters, in any case.
	Q string `form:"q" json:"-" binding:"omitempty,min=2,max=100" example:"lamp"`
	// Sort is a column, with a minus for descending.
	Sort string `form:"sort" json:"-" binding:"omitempty,oneof=id -id name -name price -price" example:"-price"`
}

// ListProductsItem is one product of the list.
type ListProductsItem struct {
	ID    int64   `json:"id" example:"1"`
	Name  string  `json:"name" example:"Desk lamp"`
	Price float64 `json:"price" example:"49.9"`
}

// ListProductsData is one page of products.
type ListProductsData = app.Page[ListProductsItem]

// ListProductsResponse is the answer of GET /products.
type ListProductsResponse = app.Response[ListProductsData]

// ListProducts is the plugin that serves GET /products.
var ListProducts = app.Plugin[*ListProductsPlugin]("products.list_products", NewListProductsPlugin)

// ListProductsPlugin reads pages of products.
type ListProductsPlugin struct {
	db *gorm.DB
}

// NewListProductsPlugin takes what the plugin needs; Fx resolves it by type.
func NewListProductsPlugin(db *gorm.DB) *ListProductsPlugin {
	return &ListProductsPlugin{db: db}
}

// OnBoot registers what the plugin serves.
func (p *ListProductsPlugin) OnBoot(b *app.Boot) {
	b.GET("/products", app.Handle(p.Execute), app.Tags("Products"))
}

// Execute returns one page of the products whose name contains q.
//
//	@ID			products.list_products
//	@Summary	List products
//	@Tags		Products
//	@Produce	json
//	@Param		limit					query		integer	false	"The most products to return"								default(20)	minimum(1)	maximum(100)
//	@Param		cursor					query		string	false	"The 'next' of the page before; without it the list begins"	maxlength(4096)
//	@Param		offset					query		integer	false	"The number of products to skip"							default(0)	minimum(0)	maximum(10000)
//	@Param		total					query		boolean	false	"Asks for the number of entries on all pages, counted up to 10,000"
//	@Param		q						query		string	false	"A part of the name, in any case"		minlength(2)	maxlength(100)
//	@Param		sort					query		string	false	"A column; with a minus, descending"	Enums(id, -id, name, -name, price, -price)
//	@Success	200						{object}	ListProductsResponse
//	@Failure	400,421,422,500,503,504	{object}	app.Failure
//	@Router		/products [get]
func (p *ListProductsPlugin) Execute(ctx context.Context, req ListProductsRequest) (ListProductsData, error) {
	query := p.db.WithContext(ctx).Model(&models.Product{})
	if req.Q != "" {
		query = query.Where(app.Contains("name", req.Q))
	}
	page, err := app.FindPage[ListProductsItem](query, req.PageQuery, req.Sort)
	if err != nil {
		return page, fmt.Errorf("list products: %w", err)
	}
	return page, nil
}
