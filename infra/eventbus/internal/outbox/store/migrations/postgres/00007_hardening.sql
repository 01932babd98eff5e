-- +goose Up
-- In the order in which publishers use them, so that those of the version before wait instead of being ended: what is below would
-- take one after the other while it holds up the others.
LOCK TABLE bus_sequences, bus_events, bus_deliveries, bus_processes IN ACCESS EXCLUSIVE MODE;

-- Who caused an event: a kind, such as "user", and an id within it; '' when nobody is known. Never a mail address.
ALTER TABLE bus_events ADD COLUMN principal_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE bus_events ADD COLUMN principal_id TEXT NOT NULL DEFAULT '';
CREATE INDEX bus_events_key ON bus_events (topic, key, seq) WHERE key <> '';
CREATE INDEX bus_events_parent ON bus_events (parent) WHERE parent <> '';

-- Behind is 1 when a poll has found that an unfinished delivery of the same key comes before this one. Polls do not read such a delivery again until it is
-- set back to 0, which happens after the one before it has ended. It only saves reading: order does not rest on it.
ALTER TABLE bus_deliveries ADD COLUMN behind SMALLINT NOT NULL DEFAULT 0;
CREATE INDEX bus_deliveries_ready ON bus_deliveries (subscription, due_at) WHERE state = 'pending' AND key <> '' AND behind = 0;
CREATE INDEX bus_deliveries_behind ON bus_deliveries (subscription, key, seq) WHERE behind = 1;

-- Whether the process sets behind back to 0. Processes of versions before do not: as long as one runs, the others look at all that is behind.
ALTER TABLE bus_processes ADD COLUMN keeps_behind BOOLEAN NOT NULL DEFAULT FALSE;

-- The highest number of a topic that a key had whose numbers have been deleted. No key of the topic begins below it. A trigger keeps it, so that versions of
-- the service that do not know of it keep it too.
CREATE TABLE bus_floors (
	topic TEXT   NOT NULL PRIMARY KEY,
	last  BIGINT NOT NULL
);
INSERT INTO bus_floors (topic, last)
	SELECT topic, MAX(last) FROM (SELECT topic, last FROM bus_sequences UNION ALL SELECT topic, seq FROM bus_events WHERE key <> '') n GROUP BY topic;
-- +goose StatementBegin
CREATE FUNCTION bus_raise_floors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO bus_floors (topic, last) SELECT topic, MAX(last) FROM gone GROUP BY topic ORDER BY topic
	ON CONFLICT (topic) DO UPDATE SET last = excluded.last WHERE bus_floors.last < excluded.last;
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER bus_sequences_floor AFTER DELETE ON bus_sequences REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION bus_raise_floors();

-- +goose Down
DROP TRIGGER bus_sequences_floor ON bus_sequences;
DROP FUNCTION bus_raise_floors();
DROP TABLE bus_floors;
ALTER TABLE bus_processes DROP COLUMN keeps_behind;
DROP INDEX bus_deliveries_behind;
DROP INDEX bus_deliveries_ready;
ALTER TABLE bus_deliveries DROP COLUMN behind;
DROP INDEX bus_events_parent;
DROP INDEX bus_events_key;
ALTER TABLE bus_events DROP COLUMN principal_id;
ALTER TABLE bus_events DROP COLUMN principal_kind;
