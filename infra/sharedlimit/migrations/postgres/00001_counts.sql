-- +goose Up
-- What the limits of requests have counted that all processes share. Full_at is when the key's bucket is full again, in Unix nanoseconds. A
-- key is a hash, so its row says nothing of whom it counts. The table is not logged: a count need not outlive a crash of the server, and
-- a request need not wait for the disk. Pages are filled half, so that a row is updated where it is.
CREATE UNLOGGED TABLE ratelimit_counts (
	key     BYTEA  NOT NULL PRIMARY KEY,
	full_at BIGINT NOT NULL
) WITH (fillfactor = 50);

-- +goose Down
DROP TABLE ratelimit_counts;
