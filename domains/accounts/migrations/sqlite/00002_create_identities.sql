-- +goose Up
-- A user is known to an identity provider, by the name that the provider has for the user.
CREATE TABLE accounts_identities (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user_id    TEXT NOT NULL CONSTRAINT accounts_identities_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    created_at DATETIME NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX accounts_identities_user_id ON accounts_identities (user_id);

-- Somebody was sent to the identity provider, and is to come back once, with the state of which the hash is here.
CREATE TABLE accounts_flows (
    state_hash   BLOB PRIMARY KEY NOT NULL,
    -- Of the cookie of the browser that was sent.
    browser_hash BLOB NOT NULL,
    nonce        TEXT NOT NULL,
    verifier     TEXT NOT NULL,
    return_path  TEXT NOT NULL,
    -- The user to whom the identity is to be linked; null for a sign-in.
    user_id      TEXT CONSTRAINT accounts_flows_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    expires_at   DATETIME NOT NULL
);
CREATE INDEX accounts_flows_user_id ON accounts_flows (user_id);
CREATE INDEX accounts_flows_expires_at ON accounts_flows (expires_at);

-- +goose Down
DROP TABLE accounts_flows;
DROP TABLE accounts_identities;
