-- +goose Up
-- The list of products is sorted by price as well.
CREATE INDEX products_price ON products (price, id);

-- +goose Down
DROP INDEX products_price;
