-- +goose Up
-- How many processes ended, one after the other, that had claimed a delivery, and in how many of them it was begun as a suspect: among few, or by itself.
ALTER TABLE bus_deliveries ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bus_deliveries ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bus_deliveries DROP COLUMN alone;
ALTER TABLE bus_deliveries DROP COLUMN ends;
