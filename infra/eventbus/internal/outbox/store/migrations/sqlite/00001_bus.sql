-- +goose Up
-- Times are Unix milliseconds. A delivery that is done is deleted; an event is deleted when it has no
-- deliveries left and the retention has passed.
CREATE TABLE bus_events (
	id           TEXT    NOT NULL PRIMARY KEY,
	topic        TEXT    NOT NULL,
	key          TEXT    NOT NULL,
	seq          INTEGER NOT NULL,
	emitter      TEXT    NOT NULL,
	parent       TEXT    NOT NULL,
	request_id   TEXT    NOT NULL,
	trace        TEXT    NOT NULL,
	headers      TEXT    NOT NULL,
	payload      TEXT    NOT NULL,
	published_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bus_deliveries (
	event_id     TEXT    NOT NULL,
	subscription TEXT    NOT NULL,
	key          TEXT    NOT NULL,
	seq          INTEGER NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'dead')),
	owner        TEXT    NOT NULL,
	token        INTEGER NOT NULL,
	attempts     INTEGER NOT NULL,
	due_at       INTEGER NOT NULL,
	claimed_at   INTEGER NOT NULL,
	parked_at    INTEGER NOT NULL DEFAULT 0,
	failed_at    INTEGER NOT NULL DEFAULT 0,
	error        TEXT    NOT NULL DEFAULT '',
	PRIMARY KEY (event_id, subscription)
) STRICT, WITHOUT ROWID;

-- Each index holds only what its query looks for, so that a delivery claimed at birth costs none but the key's.
CREATE INDEX bus_deliveries_due ON bus_deliveries (subscription, due_at) WHERE state = 'pending' AND key = '';
CREATE INDEX bus_deliveries_key ON bus_deliveries (subscription, key, seq) WHERE key <> '';
CREATE INDEX bus_deliveries_dead ON bus_deliveries (subscription, failed_at) WHERE state = 'dead';

CREATE TABLE bus_subscriptions (
	name       TEXT    NOT NULL PRIMARY KEY,
	topic      TEXT    NOT NULL,
	plugin     TEXT    NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('active', 'retired')),
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE bus_sequences (
	topic   TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	last    INTEGER NOT NULL,
	used_at INTEGER NOT NULL,
	PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE bus_actions (
	id           TEXT    NOT NULL PRIMARY KEY,
	at           INTEGER NOT NULL,
	action       TEXT    NOT NULL,
	actor        TEXT    NOT NULL,
	event_id     TEXT    NOT NULL,
	subscription TEXT    NOT NULL,
	detail       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE bus_actions;
DROP TABLE bus_sequences;
DROP TABLE bus_subscriptions;
DROP TABLE bus_deliveries;
DROP TABLE bus_events;
