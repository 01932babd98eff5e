// Package products is the products domain: the catalogue of products. Other domains learn about them through its events
// product.created, product.updated and product.deleted.
package products

import (
	"plugboard/app"
	"plugboard/domains/products/migrations"
	"plugboard/domains/products/models"
	"plugboard/domains/products/plugins"
)

// Module is the domain. A new plugin is added to this list.
var Module = app.Domain("products",
	app.Migrations(migrations.Files),
	app.Models(models.Product{}),
	app.Every(app.Public()),

	plugins.CreateProduct,
	plugins.GetProduct,
	plugins.ListProducts,
	plugins.UpdateProduct,
	plugins.DeleteProduct,
)
