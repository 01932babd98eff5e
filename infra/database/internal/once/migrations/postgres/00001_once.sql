-- +goose Up
-- Answers of requests with an Idempotency-Key, for their repeats. Id is the SHA-256 of the principal, the route and the key, which is stored nowhere.
-- Fingerprint tells another request with the same key from a repeat. Data is NULL for a status without a body. Stored_at is in milliseconds since 1970.
CREATE TABLE plugboard_once (
	id          BYTEA NOT NULL PRIMARY KEY,
	fingerprint BYTEA NOT NULL,
	status      INTEGER NOT NULL,
	header      TEXT NOT NULL,
	data        BYTEA,
	stored_at   BIGINT NOT NULL
);
CREATE INDEX plugboard_once_stored_at ON plugboard_once (stored_at);

-- +goose Down
DROP TABLE plugboard_once;
