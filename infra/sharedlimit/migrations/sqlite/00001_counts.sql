-- +goose Up
-- On SQLite the limits of requests are counted in memory: the file belongs to one process.
SELECT 1;

-- +goose Down
SELECT 1;
