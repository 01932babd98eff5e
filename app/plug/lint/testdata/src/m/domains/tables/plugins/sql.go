package plugins

import "gorm.io/gorm"

// named has the ways to name a table that the rule finds.
func named(db *gorm.DB) {
	db.Raw("SELECT o.id FROM orders o, products p WHERE o.id = p.id")                      // want `the table products`
	db.Raw("SELECT 1 FROM orders JOIN order_lines USING (id), products")                   // want `the table products`
	db.Raw("SELECT 1 FROM (orders JOIN products USING (id))")                              // want `the table products`
	db.Raw("SELECT 1 FROM orders, LATERAL (SELECT 1 FROM products) p")                     // want `the table products`
	db.Raw("SELECT 1 FROM generate_series(1, 2) AS g(n), products")                        // want `the table products`
	db.Raw("SELECT EXTRACT(DAY FROM (SELECT max(at) FROM products)) FROM orders")          // want `the table products`
	db.Raw("SELECT 1 FROM ROWS FROM (generate_series(1, 2), f(3)) AS r, products")         // want `the table products`
	db.Raw("SELECT 1 FROM orders UNION ALL SELECT 1 FROM [products]")                      // want `the table products`
	db.Raw("SELECT 1 FROM orders -- all\n, /* of /* the */ shop */ \"shop\".`products`")   // want `the table products`
	db.Raw("SELECT E'\\'', $$'$$, 1 FROM products")                                        // want `the table products`
	db.Raw("WITH products AS (SELECT * FROM products) SELECT * FROM products")             // want `the table products`
	db.Raw("SELECT * FROM (WITH products AS (SELECT 1) SELECT 1 FROM products) o, users")  // want `the table users`
	db.Raw("WITH o AS (SELECT 1) SELECT * FROM shop.o")                                    // want `the table o is`
	db.Raw("WITH a AS (SELECT 1 FROM orders), b (n) AS (SELECT 1 FROM users) TABLE b")     // want `the table users`
	db.Exec("DELETE FROM orders USING products WHERE orders.id = products.id")             // want `the table products`
	db.Exec("MERGE INTO orders USING products ON true WHEN MATCHED THEN UPDATE SET n = 1") // want `the table products`
	db.Exec("UPDATE orders SET n = p.n, m = 1 FROM order_lines, products p")               // want `the table products`
	db.Exec("UPDATE OR IGNORE products SET n = 1")                                         // want `the table products`
	db.Exec("UPDATE ONLY products SET n = 1")                                              // want `the table products`
	db.Exec("INSERT OR REPLACE INTO products (id) VALUES (1)")                             // want `the table products`
	db.Exec("TRUNCATE orders, products")                                                   // want `the table products`
	db.Exec("DELETE FROM orders; DELETE FROM products")                                    // want `the table products`
	db.Exec("DROP TABLE IF EXISTS products")                                               // want `the table products`
	db.Table("orders o, products p").Find(nil)                                             // want `the table products`
	db.Table("(?) AS o, products", nil).Find(nil)                                          // want `the table products`
	db.Find(nil, "id IN (SELECT id FROM products)")                                        // want `the table products`
	db.Delete(nil, "id IN (SELECT id FROM products)")                                      // want `the table products`
	db.Order("(SELECT n FROM products WHERE products.id = orders.id)")                     // want `the table products`
	db.InnerJoins("JOIN products ON true")                                                 // want `the table products`
	db.Update("n", gorm.Expr("(SELECT n FROM products)"))                                  // want `the table products`
}

// unnamed has what looks like a table and is none.
func unnamed(db *gorm.DB) {
	db.Where("TRIM(BOTH ' ' FROM name) = ?", "")
	db.Where("SUBSTRING(name FROM '[a-z]+') = ? AND SUBSTRING(name FROM 2 FOR (3)) = ?", "", "")
	db.Where("OVERLAY(name PLACING 'x' FROM (length(name))) = ?", "")
	db.Where("EXTRACT(EPOCH FROM (now() - (created_at))) > ? AND a IS NOT DISTINCT FROM b", 1)
	db.Where("name = ?", "taken FROM products")
	db.Where("name = 'it''s FROM products' OR name = E'\\' FROM products' OR name = $q$ FROM products $q$")
	db.Where("id IN (@ids) AND tags[1] = ANY(ARRAY[a, b])", nil)
	db.Raw("SELECT id FROM orders -- taken from images\n")
	db.Raw("SELECT id FROM orders /* JOIN images /* and */ FROM users */ WHERE true")
	db.Raw("SELECT 1 FROM ROWS FROM (generate_series(1, 2), f(3)) AS r (a, b)")
	db.Raw("SELECT 1 FROM generate_series(1, 2), (VALUES (1), (2)) AS v (n), LATERAL f(n)")
	db.Raw("SELECT a, b FROM [orders] o, \"order_lines\" l ORDER BY a, b LIMIT 1, 2")
	db.Raw("SELECT a FROM orders GROUP BY a, b HAVING a > 1 WINDOW w AS (ORDER BY a), v AS (w) FOR UPDATE OF orders, l")
	db.Raw("SELECT a FROM orders FOR NO KEY UPDATE NOWAIT")
	db.Raw("WITH RECURSIVE a AS (SELECT 1 FROM b UNION SELECT 1 FROM a), b (n, m) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM A, b, orders")
	db.Raw("WITH d AS (DELETE FROM orders RETURNING id, n) SELECT * FROM d JOIN order_lines USING (id)")
	db.Raw("SELECT * FROM ?, orders", nil)
	db.Raw("SELECT * FROM unnest(ARRAY[1]) WITH ORDINALITY AS u(a, b), orders")
	db.Exec("INSERT INTO orders (a, b) SELECT a, b FROM order_lines ON CONFLICT (a) DO UPDATE SET a = excluded.a, b = 1 RETURNING a, b")
	db.Exec("UPDATE orders SET a = 1, b = TRIM(LEADING FROM name) WHERE c = 1")
	db.Exec("INSERT INTO orders DEFAULT VALUES")
	db.Table("orders, order_lines AS l")
}
