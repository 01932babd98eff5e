-- +goose Up
-- The number that a key began with.
ALTER TABLE bus_sequences ADD COLUMN first BIGINT NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE bus_sequences DROP COLUMN first;
