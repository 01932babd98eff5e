-- +goose Up
CREATE TABLE products (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name  TEXT NOT NULL CONSTRAINT products_name_not_blank CHECK (trim(name) <> ''),
    price REAL NOT NULL CONSTRAINT products_price_positive CHECK (price > 0)
);
CREATE UNIQUE INDEX products_name_key ON products (name);

-- +goose Down
DROP TABLE products;
