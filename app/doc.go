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
// # What a constructor may ask for
//
// The host provides *gorm.DB, the database; [Bus], which publishes events and asks other domains; [Pool] and [Memory]; [Clock], the time; *zap.Logger;
// *http.Client, for other services; [Mailer]; prometheus.Registerer, for metrics; trace.TracerProvider, for spans; and the
// domain's own settings, which it has by [Settings]. Bus, logger and registerer know the plugin's name. What a service
// provides itself with fx.Provide is there too.
//
// The package imports nothing else of this project. Unless a comment says otherwise, its functions may be called by
// several goroutines.
//
// # For the host
//
// The host carries the contract out. What it needs for that is exported here too, since it reads the unexported fields of
// what plugins made: [Registrar], [BootedPlugin] and the accessors of [Boot]; [Call] and [WithCall]; [Handler.NewCall] and
// [Invocation]; [Subscriber.Call], [Responder.Call], [DeliverySource] and [WithDelivery]; [Transactor] and [Searcher].
// All of it is in the files host_*.go. A plugin has no use for it.
package app
