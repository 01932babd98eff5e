-- +goose Up
-- Who has invited the user of a ticket: the invitation is worth what its inviter may do when it is used.
ALTER TABLE accounts_tickets ADD COLUMN invited_by TEXT CONSTRAINT accounts_tickets_inviter_fkey REFERENCES accounts_users (id) ON DELETE CASCADE;
CREATE INDEX accounts_tickets_invited_by ON accounts_tickets (invited_by);

-- +goose Down
DROP INDEX accounts_tickets_invited_by;
ALTER TABLE accounts_tickets DROP COLUMN invited_by;
