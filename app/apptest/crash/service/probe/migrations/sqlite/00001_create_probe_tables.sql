-- +goose Up
CREATE TABLE probe_writes (
    token  TEXT NOT NULL PRIMARY KEY,
    lane   TEXT NOT NULL,
    number INTEGER NOT NULL,
    poison BOOLEAN NOT NULL
);
CREATE TABLE probe_lanes (
    lane TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
);
-- Nothing here is unique: an effect that happens twice must show.
CREATE TABLE probe_effects (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    token        TEXT NOT NULL,
    lane         TEXT NOT NULL,
    number       INTEGER NOT NULL,
    attempt      INTEGER NOT NULL
);
CREATE TABLE probe_remedies (
    name TEXT NOT NULL PRIMARY KEY
);

-- +goose Down
DROP TABLE probe_remedies;
DROP TABLE probe_effects;
DROP TABLE probe_lanes;
DROP TABLE probe_writes;
