-- +goose Up
-- Text is compared by bytes (collation C), as on SQLite. Times are Unix milliseconds. A delivery that is done is deleted; an event is deleted when it has no
-- deliveries left and the retention has passed.
CREATE TABLE bus_events (
	id           TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
	topic        TEXT    NOT NULL,
	key          TEXT    COLLATE "C" NOT NULL,
	seq          BIGINT NOT NULL,
	emitter      TEXT    NOT NULL,
	parent       TEXT    NOT NULL,
	request_id   TEXT    NOT NULL,
	trace        TEXT    NOT NULL,
	headers      TEXT    NOT NULL,
	payload      TEXT    NOT NULL,
	published_at BIGINT NOT NULL
);

CREATE TABLE bus_deliveries (
	event_id     TEXT    COLLATE "C" NOT NULL,
	subscription TEXT    COLLATE "C" NOT NULL,
	key          TEXT    COLLATE "C" NOT NULL,
	seq          BIGINT NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'dead')),
	owner        TEXT    NOT NULL,
	token        BIGINT NOT NULL,
	attempts     BIGINT NOT NULL,
	due_at       BIGINT NOT NULL,
	claimed_at   BIGINT NOT NULL,
	parked_at    BIGINT NOT NULL DEFAULT 0,
	failed_at    BIGINT NOT NULL DEFAULT 0,
	error        TEXT    NOT NULL DEFAULT '',
	PRIMARY KEY (event_id, subscription)
);

-- Each index holds only what its query looks for, so that a delivery claimed at birth costs none but the key's.
CREATE INDEX bus_deliveries_due ON bus_deliveries (subscription, due_at) WHERE state = 'pending' AND key = '';
CREATE INDEX bus_deliveries_key ON bus_deliveries (subscription, key, seq) WHERE key <> '';
CREATE INDEX bus_deliveries_dead ON bus_deliveries (subscription, failed_at) WHERE state = 'dead';

CREATE TABLE bus_subscriptions (
	name       TEXT    NOT NULL PRIMARY KEY,
	topic      TEXT    NOT NULL,
	plugin     TEXT    NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('active', 'retired')),
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL
);

CREATE TABLE bus_sequences (
	topic   TEXT    NOT NULL,
	key     TEXT    COLLATE "C" NOT NULL,
	last    BIGINT NOT NULL,
	used_at BIGINT NOT NULL,
	PRIMARY KEY (topic, key)
);

-- A process holds an advisory lock named lock_key for as long as its session lives, and renews lease_until.
CREATE TABLE bus_processes (
	id          TEXT   NOT NULL PRIMARY KEY,
	lock_key    BIGINT NOT NULL,
	seen_at     BIGINT NOT NULL,
	lease_until BIGINT NOT NULL
);

CREATE TABLE bus_actions (
	id           TEXT    NOT NULL PRIMARY KEY,
	at           BIGINT NOT NULL,
	action       TEXT    NOT NULL,
	actor        TEXT    NOT NULL,
	event_id     TEXT    NOT NULL,
	subscription TEXT    NOT NULL,
	detail       TEXT    NOT NULL
);

-- +goose Down
DROP TABLE bus_actions;
DROP TABLE bus_sequences;
DROP TABLE bus_processes;
DROP TABLE bus_subscriptions;
DROP TABLE bus_deliveries;
DROP TABLE bus_events;
