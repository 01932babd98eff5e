-- +goose Up
CREATE TABLE audit_entries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id        TEXT NOT NULL,
    topic           TEXT NOT NULL,
    product_id      INTEGER NOT NULL,
    summary         TEXT NOT NULL,
    emitter         TEXT NOT NULL,
    parent_event_id TEXT NOT NULL,
    request_id      TEXT NOT NULL,
    occurred_at     DATETIME NOT NULL,
    recorded_at     DATETIME NOT NULL
);
CREATE UNIQUE INDEX audit_entries_event_id_key ON audit_entries (event_id);
CREATE INDEX audit_entries_product_id_idx ON audit_entries (product_id, id);
CREATE INDEX audit_entries_topic_idx ON audit_entries (topic, id);

-- +goose Down
DROP TABLE audit_entries;
