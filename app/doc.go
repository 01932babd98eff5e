// Package app is the contract that plugins are written against.
//
// A plugin is one file that adds one feature: an endpoint, an event subscriber, or both. It consists of
// a request and a response type, a struct with a constructor whose parameters Fx resolves, an OnBoot
// method that registers what the plugin serves, and an Execute method that does the work:
//
//	var CreateProduct = app.Plugin[*CreateProductPlugin]("products.create_product", NewCreateProductPlugin)
//
//	func (p *CreateProductPlugin) OnBoot(b *app.Boot) {
//		b.POST("/products", app.Handle(p.Execute), app.Tags("Products"), app.Status(http.StatusCreated))
//		b.Publishes(ProductCreated{})
//	}
//
// Plugins of one feature area form a domain ([Domain]); main.go lists the domains.
//
// The package imports nothing else of this project. What the host needs to carry out the contract
// ([Registrar], [Call], [Handler.NewCall], [WithDelivery] and the like) is exported here too and says so
// in its comment; plugins have no use for it.
package app
