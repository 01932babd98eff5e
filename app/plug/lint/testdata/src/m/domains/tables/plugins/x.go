package plugins

import (
	"gorm.io/gorm"

	"m/domains/tables/models"
)

var _ models.Order

const stolen = "SELECT * FROM products"

func read(db *gorm.DB) {
	db.Table("orders").Find(nil)
	db.Table("orders AS o")
	db.Table("products").Find(nil) // want `the table products is not one of the domain tables, which has order_lines, orders`
	db.Raw("SELECT * FROM orders JOIN order_lines ON true")
	db.Raw("SELECT * FROM orders JOIN public.\"products\" ON true") // want `the table products`
	db.Raw(stolen)                                                  // want `the table products`
	db.Raw(stolen)                                                  //plug:allow tables until products tells of its stock
	db.Exec("INSERT INTO stock (id) VALUES (1)")                    // want `the table stock`
	db.Exec("UPDATE users SET name = 'FROM nowhere'")               // want `the table users`
	db.Exec("DELETE FROM sessions")                                 // want `the table sessions`
	db.Joins("LEFT JOIN products ON products.id = orders.id")       // want `the table products`
	db.Where("id IN (SELECT id FROM carts)")                        // want `the table carts`
	db.Raw("WITH old AS (SELECT * FROM orders) SELECT * FROM old")
	db.Exec("INSERT INTO orders (id) VALUES (1) ON CONFLICT DO UPDATE SET id = 2")
	db.Raw("SELECT * FROM orders WHERE a IS DISTINCT FROM b FOR UPDATE SKIP LOCKED")
	db.Raw("SELECT * FROM generate_series(1, 2)")
	db.Joins("Customer")
}
