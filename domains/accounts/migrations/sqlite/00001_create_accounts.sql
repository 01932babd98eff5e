-- +goose Up
-- A user owns an e-mail address: there is none before its owner has followed a link that was sent there.
CREATE TABLE accounts_users (
    id                  TEXT PRIMARY KEY NOT NULL,
    email               TEXT NOT NULL CONSTRAINT accounts_users_email_lower CHECK (email = lower(email)),
    name                TEXT NOT NULL,
    -- Empty for a user who signs in with a provider alone.
    password_hash       TEXT NOT NULL,
    password_changed_at DATETIME NOT NULL,
    disabled_at         DATETIME,
    created_at          DATETIME NOT NULL
);
CREATE UNIQUE INDEX accounts_users_email_key ON accounts_users (email);

-- A session is a sign-in that holds. Of its token only the hash is stored.
CREATE TABLE accounts_sessions (
    id           TEXT PRIMARY KEY NOT NULL,
    user_id      TEXT NOT NULL CONSTRAINT accounts_sessions_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    token_hash   BLOB NOT NULL,
    signed_in_at DATETIME NOT NULL,
    used_at      DATETIME NOT NULL,
    expires_at   DATETIME NOT NULL,
    address      TEXT NOT NULL,
    user_agent   TEXT NOT NULL
);
CREATE UNIQUE INDEX accounts_sessions_token_hash_key ON accounts_sessions (token_hash);
CREATE INDEX accounts_sessions_user_id ON accounts_sessions (user_id);
CREATE INDEX accounts_sessions_expires_at ON accounts_sessions (expires_at);

-- An API key lets a program act for its owner, within its scopes.
CREATE TABLE accounts_keys (
    id         TEXT PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL CONSTRAINT accounts_keys_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    -- Permissions, separated by spaces.
    scopes     TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    used_at    DATETIME
);
CREATE UNIQUE INDEX accounts_keys_token_hash_key ON accounts_keys (token_hash);
CREATE INDEX accounts_keys_user_id ON accounts_keys (user_id);

CREATE TABLE accounts_roles (
    name        TEXT PRIMARY KEY NOT NULL,
    -- Permissions, separated by spaces; * is all of them.
    permissions TEXT NOT NULL
);
INSERT INTO accounts_roles (name, permissions) VALUES ('administrator', '*');

CREATE TABLE accounts_user_roles (
    user_id TEXT NOT NULL CONSTRAINT accounts_user_roles_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    role    TEXT NOT NULL CONSTRAINT accounts_user_roles_role_fkey REFERENCES accounts_roles (name) ON DELETE CASCADE,
    PRIMARY KEY (user_id, role)
);
CREATE INDEX accounts_user_roles_role ON accounts_user_roles (role);

-- A ticket was sent to an address, and lets whoever reads it there do one thing once. Of its token only the hash is stored.
CREATE TABLE accounts_tickets (
    id         TEXT PRIMARY KEY NOT NULL,
    purpose    TEXT NOT NULL CONSTRAINT accounts_tickets_purpose_known CHECK (purpose IN ('register', 'reset', 'email')),
    email      TEXT NOT NULL,
    -- The user who asked, for the purposes reset and email.
    user_id    TEXT CONSTRAINT accounts_tickets_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    -- Roles of an invited user, separated by spaces.
    roles      TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL
);
CREATE UNIQUE INDEX accounts_tickets_token_hash_key ON accounts_tickets (token_hash);
CREATE INDEX accounts_tickets_user_id ON accounts_tickets (user_id);
CREATE INDEX accounts_tickets_expires_at ON accounts_tickets (expires_at);

-- A device has signed its user in before. It is known by a cookie, of which only the hash is stored.
CREATE TABLE accounts_devices (
    token_hash BLOB PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL CONSTRAINT accounts_devices_user_fkey REFERENCES accounts_users (id) ON DELETE CASCADE,
    used_at    DATETIME NOT NULL
);
CREATE INDEX accounts_devices_user_id ON accounts_devices (user_id);
CREATE INDEX accounts_devices_used_at ON accounts_devices (used_at);

-- The record of sign-ins, and of what was tried.
CREATE TABLE accounts_sign_ins (
    id         TEXT PRIMARY KEY NOT NULL,
    -- Empty where the address belongs to no user.
    user_id    TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    method     TEXT NOT NULL,
    address    TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at         DATETIME NOT NULL
);
CREATE INDEX accounts_sign_ins_user_id ON accounts_sign_ins (user_id, id);
CREATE INDEX accounts_sign_ins_at ON accounts_sign_ins (at);

-- How much of a limit is used up, by the hash of what is limited. All replicas count here.
CREATE TABLE accounts_throttles (
    name_hash BLOB PRIMARY KEY NOT NULL,
    -- When the limit is unused again, in microseconds since 1970.
    full_at   INTEGER NOT NULL
);
CREATE INDEX accounts_throttles_full_at ON accounts_throttles (full_at);

-- +goose Down
DROP TABLE accounts_throttles;
DROP TABLE accounts_sign_ins;
DROP TABLE accounts_devices;
DROP TABLE accounts_tickets;
DROP TABLE accounts_user_roles;
DROP TABLE accounts_roles;
DROP TABLE accounts_keys;
DROP TABLE accounts_sessions;
DROP TABLE accounts_users;
