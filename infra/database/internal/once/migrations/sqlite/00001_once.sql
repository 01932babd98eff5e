-- +goose Up
-- Answers of requests with an Idempotency-Key, for their repeats. Id is the SHA-256 of the principal, the route and the key, which is stored nowhere.
-- Fingerprint tells another request with the same key from a repeat. Data is NULL for a status without a body. Stored_at is in milliseconds since 1970.
CREATE TABLE plugboard_once (
	id          BLOB NOT NULL PRIMARY KEY,
	fingerprint BLOB NOT NULL,
	status      INTEGER NOT NULL,
	header      TEXT NOT NULL,
	data        BLOB,
	stored_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX plugboard_once_stored_at ON plugboard_once (stored_at);

-- +goose Down
DROP TABLE plugboard_once;
