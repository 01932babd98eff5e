-- +goose Up
CREATE TABLE bench_orders (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name  TEXT NOT NULL,
    price REAL NOT NULL
);
CREATE TABLE bench_outbox (
    id         TEXT PRIMARY KEY,
    topic      TEXT NOT NULL,
    payload    TEXT NOT NULL,
    created_at DATETIME NOT NULL
);
CREATE TABLE bench_effects (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL
);

-- +goose Down
DROP TABLE bench_effects;
DROP TABLE bench_outbox;
DROP TABLE bench_orders;
