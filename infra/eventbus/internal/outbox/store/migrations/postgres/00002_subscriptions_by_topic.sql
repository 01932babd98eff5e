-- +goose Up
-- Each event looks for the subscriptions of its topic that only other versions of the service know.
CREATE INDEX bus_subscriptions_topic ON bus_subscriptions (topic) WHERE state = 'active';

-- +goose Down
DROP INDEX bus_subscriptions_topic;
