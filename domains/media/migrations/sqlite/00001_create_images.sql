-- +goose Up
CREATE TABLE images (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    format     TEXT NOT NULL,
    width      INTEGER NOT NULL CONSTRAINT images_width_positive CHECK (width > 0),
    height     INTEGER NOT NULL CONSTRAINT images_height_positive CHECK (height > 0),
    bytes      INTEGER NOT NULL,
    etag       TEXT NOT NULL,
    status     TEXT NOT NULL CONSTRAINT images_status_known CHECK (status IN ('pending', 'ready', 'failed')),
    failure    TEXT NOT NULL,
    created_at DATETIME NOT NULL
);

-- The content has a table of its own, so that reading about images does not read past it.
CREATE TABLE image_contents (
    image_id INTEGER PRIMARY KEY CONSTRAINT image_contents_image_fkey REFERENCES images (id) ON DELETE CASCADE,
    content  BLOB NOT NULL
);

CREATE TABLE thumbnails (
    image_id INTEGER NOT NULL CONSTRAINT thumbnails_image_fkey REFERENCES images (id) ON DELETE CASCADE,
    size     TEXT NOT NULL,
    format   TEXT NOT NULL,
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    etag     TEXT NOT NULL,
    content  BLOB NOT NULL,
    PRIMARY KEY (image_id, size)
);

-- +goose Down
DROP TABLE thumbnails;
DROP TABLE image_contents;
DROP TABLE images;
