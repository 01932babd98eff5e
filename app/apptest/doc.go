// Package apptest is the kit plugins are tested with.
//
// [New] boots a plugin, a domain or the whole application in process, on a database of its own, and
// answers requests without a network:
//
//	func TestCreateProduct(t *testing.T) {
//		t.Parallel()
//		apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
//			h := apptest.New(t, db, products.Module)
//			h.POST("/products", `{"name":"Desk lamp","price":49.9}`).Status(http.StatusCreated).
//				JSON(`{"success":true,"data":{"id":1,"name":"Desk lamp","price":49.9},"error":null}`)
//		})
//	}
//
// [App.Command] calls a command of a plugin. [Record] is a part that collects the events of one topic as a subscriber would get them, [Announce] one
// that publishes in the place of another domain, and [App.WaitForEvents] waits until everything published has
// been handled.
//
// A plugin can also be made by hand, without host or HTTP, from [Database.Open], a [Bus] that records, and
// a [Context]:
//
//	p := plugins.NewCreateProductPlugin(db.Open(t, products.Module), bus, apptest.Logger(t))
//	data, err := p.Execute(apptest.Context(t), plugins.CreateProductRequest{Name: "Desk lamp", Price: 49.9})
//
// Tests need no sleeps. What happens later, an event handled, is waited for with WaitForEvents; what depends
// on the time of day takes the [app.Clock] and gets a [Clock] here, which stands still until it is moved.
//
// [App.DB] is the test's database, for preparing and looking; [App.Host] has the rest of the running application.
//
// The Postgres half of a test runs when TEST_DATABASE_URL names a server: "go tool plug test" starts one for the tests that it runs. The
// rules of a whole service are tested by package rules.
//
// Nothing in the package is safe for concurrent use beyond what its comment says; requests are.
package apptest
