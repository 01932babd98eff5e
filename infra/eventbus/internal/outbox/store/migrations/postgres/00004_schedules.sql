-- +goose Up
-- What has passed of each schedule. Times up to passed_at have been seen to, due_at is the one of the last run, event_id its event. Asked_at is when an
-- operator asked for a run, or 0.
CREATE TABLE bus_schedules (
	name      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	spec      TEXT NOT NULL,
	passed_at BIGINT NOT NULL,
	due_at    BIGINT NOT NULL,
	event_id  TEXT NOT NULL,
	asked_at  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE bus_schedules;
