-- +goose Up
-- Which subscription took over what was meant for this one, and when; '' and 0 if none has.
ALTER TABLE bus_subscriptions ADD COLUMN adopted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE bus_subscriptions ADD COLUMN adopted_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bus_subscriptions DROP COLUMN adopted_at;
ALTER TABLE bus_subscriptions DROP COLUMN adopted_by;
