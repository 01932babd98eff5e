-- +goose Up
-- Old notifications are looked for every night.
CREATE INDEX notifications_created_at_idx ON notifications (created_at);

-- +goose Down
DROP INDEX notifications_created_at_idx;
