-- +goose Up
-- Who made the request at the beginning of the chain; '' when nobody was known, as for all entries before this. The list is filtered by it.
ALTER TABLE audit_entries ADD COLUMN principal TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_entries_principal_idx ON audit_entries (principal, id);

-- +goose Down
DROP INDEX audit_entries_principal_idx;
ALTER TABLE audit_entries DROP COLUMN principal;
