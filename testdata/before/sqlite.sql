PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE eventbus_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO eventbus_migrations VALUES(1,0,1,'2026-11-29 16:35:21');
INSERT INTO eventbus_migrations VALUES(2,1,1,'2026-11-29 16:35:21');
INSERT INTO eventbus_migrations VALUES(3,2,1,'2026-11-29 16:35:21');
INSERT INTO eventbus_migrations VALUES(4,3,1,'2026-11-29 16:35:21');
INSERT INTO eventbus_migrations VALUES(5,4,1,'2026-11-29 16:35:21');
INSERT INTO eventbus_migrations VALUES(6,5,1,'2026-11-29 16:35:21');
CREATE TABLE bus_events (
	id           TEXT    NOT NULL PRIMARY KEY,
	topic        TEXT    NOT NULL,
	key          TEXT    NOT NULL,
	seq          INTEGER NOT NULL,
	emitter      TEXT    NOT NULL,
	parent       TEXT    NOT NULL,
	request_id   TEXT    NOT NULL,
	trace        TEXT    NOT NULL,
	headers      TEXT    NOT NULL,
	payload      TEXT    NOT NULL,
	published_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO bus_events VALUES('01a22829-4990-76ec-a53d-800d1ece4adc','product.created','1',117700698057408513,'products.create_product','','732afc64f6864b00e2945560d4db35e3','00-732afc64f6864b00e2945560d4db35e3-fea128c27a4ccada-01','','{"id":1,"name":"Lamp 1","price":1.5}',1795970124164);
INSERT INTO bus_events VALUES('01a22829-49f3-7b4f-9c6d-1e3189d5148f','notification.stored','1',117700698064486401,'notifications.store_notification','01a22829-4990-76ec-a53d-800d1ece4adc','732afc64f6864b00e2945560d4db35e3','00-732afc64f6864b00e2945560d4db35e3-fea128c27a4ccada-01','','{"id":1,"product_id":1,"about":"product.created"}',1795970124269);
INSERT INTO bus_events VALUES('01a22829-4a9f-704e-b605-f95c7ec82c90','product.created','2',117700698075693057,'products.create_product','','a3901d087e3fb6b84b9c3228e3877d19','00-a3901d087e3fb6b84b9c3228e3877d19-9d1d04b64ec0d4e7-01','','{"id":2,"name":"Lamp 2","price":2.5}',1795970124446);
INSERT INTO bus_events VALUES('01a22829-4aa0-7202-98db-71234b7603a8','notification.stored','2',117700698075824129,'notifications.store_notification','01a22829-4a9f-704e-b605-f95c7ec82c90','a3901d087e3fb6b84b9c3228e3877d19','00-a3901d087e3fb6b84b9c3228e3877d19-9d1d04b64ec0d4e7-01','','{"id":2,"product_id":2,"about":"product.created"}',1795970124448);
INSERT INTO bus_events VALUES('01a22829-4aae-7244-b7d7-c0fc05c9d5ad','product.created','3',117700698076741633,'products.create_product','','a2eb95b3e218dfb686c1305d9cacf889','00-a2eb95b3e218dfb686c1305d9cacf889-c558d55d5c2fee03-01','','{"id":3,"name":"Lamp 3","price":3.5}',1795970124462);
INSERT INTO bus_events VALUES('01a22829-4abb-73a0-8bb7-337f35f7b1ec','product.updated','1',117700698077593601,'products.update_product','','3a7dbf75878f69978cc730b190b22e74','00-3a7dbf75878f69978cc730b190b22e74-9d7b1a12ceff386e-01','','{"id":1,"name":"Lamp 1","price":5.5}',1795970124475);
INSERT INTO bus_events VALUES('01a22829-4acc-7d3f-b842-908d8cb8b75f','product.updated','1',117700698077593602,'products.update_product','','af2471998e949a792a829df58061168c','00-af2471998e949a792a829df58061168c-4dd3920a5fc61321-01','','{"id":1,"name":"Lamp 1","price":6.5}',1795970124492);
CREATE TABLE bus_deliveries (
	event_id     TEXT    NOT NULL,
	subscription TEXT    NOT NULL,
	key          TEXT    NOT NULL,
	seq          INTEGER NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'dead')),
	owner        TEXT    NOT NULL,
	token        INTEGER NOT NULL,
	attempts     INTEGER NOT NULL,
	due_at       INTEGER NOT NULL,
	claimed_at   INTEGER NOT NULL,
	parked_at    INTEGER NOT NULL DEFAULT 0,
	failed_at    INTEGER NOT NULL DEFAULT 0,
	error        TEXT    NOT NULL DEFAULT '', ends INTEGER NOT NULL DEFAULT 0, alone INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (event_id, subscription)
) STRICT, WITHOUT ROWID;
INSERT INTO bus_deliveries VALUES('01a22829-4990-76ec-a53d-800d1ece4adc','audit.record_made/product.created','1',117700698057408513,'pending','',0,0,1795970124164,0,0,0,'',0,0);
INSERT INTO bus_deliveries VALUES('01a22829-4a9f-704e-b605-f95c7ec82c90','audit.record_product_created/product.created','2',117700698075693057,'dead','',12,12,1795970124446,0,0,1795970125446,'insert audit entry: no',0,0);
INSERT INTO bus_deliveries VALUES('01a22829-4aae-7244-b7d7-c0fc05c9d5ad','audit.record_product_created/product.created','3',117700698076741633,'pending','',0,0,1795970124462,0,0,0,'',0,0);
INSERT INTO bus_deliveries VALUES('01a22829-4aae-7244-b7d7-c0fc05c9d5ad','notifications.store_notification/product.created','3',117700698076741633,'running','01a22828-0000-7000-8000-000000000001',1,1,1795970124462,1795970124462,0,0,'',0,0);
CREATE TABLE bus_subscriptions (
	name       TEXT    NOT NULL PRIMARY KEY,
	topic      TEXT    NOT NULL,
	plugin     TEXT    NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('active', 'retired')),
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL
, adopted_by TEXT NOT NULL DEFAULT '', adopted_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO bus_subscriptions VALUES('audit.record_made/product.created','product.created','audit.record_made','active',1795970124164,1795970124164,'',0);
INSERT INTO bus_subscriptions VALUES('audit.record_notification_stored/notification.stored','notification.stored','audit.record_notification_stored','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('audit.record_product_created/product.created','product.created','audit.record_product_created','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('audit.record_product_deleted/product.deleted','product.deleted','audit.record_product_deleted','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('audit.record_product_updated/product.updated','product.updated','audit.record_product_updated','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('media.create_thumbnails/image.uploaded','image.uploaded','media.create_thumbnails','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('media.give_up_thumbnails/_dlq.image.uploaded','_dlq.image.uploaded','media.give_up_thumbnails','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('notifications.delete_old_notifications/schedule','_due.notifications.delete_old_notifications/schedule','notifications.delete_old_notifications','active',1795970121674,1795970122675,'',0);
INSERT INTO bus_subscriptions VALUES('notifications.store_notification/product.created','product.created','notifications.store_notification','active',1795970121674,1795970122675,'',0);
CREATE TABLE bus_sequences (
	topic   TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	last    INTEGER NOT NULL,
	used_at INTEGER NOT NULL, first INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;
INSERT INTO bus_sequences VALUES('notification.stored','1',117700698064486401,1795970124275,117700698064486401);
INSERT INTO bus_sequences VALUES('notification.stored','2',117700698075824129,1795970124448,117700698075824129);
INSERT INTO bus_sequences VALUES('product.created','1',117700698057408513,1795970124173,117700698057408513);
INSERT INTO bus_sequences VALUES('product.created','2',117700698075693057,1795970124446,117700698075693057);
INSERT INTO bus_sequences VALUES('product.created','3',117700698076741633,1795970124462,117700698076741633);
INSERT INTO bus_sequences VALUES('product.updated','1',117700698077593602,1795970124492,117700698077593601);
CREATE TABLE bus_actions (
	id           TEXT    NOT NULL PRIMARY KEY,
	at           INTEGER NOT NULL,
	action       TEXT    NOT NULL,
	actor        TEXT    NOT NULL,
	event_id     TEXT    NOT NULL,
	subscription TEXT    NOT NULL,
	detail       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE bus_schedules (
	name      TEXT NOT NULL PRIMARY KEY,
	spec      TEXT NOT NULL,
	passed_at INTEGER NOT NULL,
	due_at    INTEGER NOT NULL,
	event_id  TEXT NOT NULL,
	asked_at  INTEGER NOT NULL
);
INSERT INTO bus_schedules VALUES('notifications.delete_old_notifications/schedule','30 3 * * *',1795970121675,0,'',0);
CREATE TABLE products_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO products_migrations VALUES(1,0,1,'2026-11-29 16:35:21');
INSERT INTO products_migrations VALUES(2,1,1,'2026-11-29 16:35:21');
CREATE TABLE products (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name  TEXT NOT NULL CONSTRAINT products_name_not_blank CHECK (trim(name) <> ''),
    price REAL NOT NULL CONSTRAINT products_price_positive CHECK (price > 0)
);
INSERT INTO products VALUES(1,'Lamp 1',6.5);
INSERT INTO products VALUES(2,'Lamp 2',2.5);
INSERT INTO products VALUES(3,'Lamp 3',3.5);
CREATE TABLE notifications_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO notifications_migrations VALUES(1,0,1,'2026-11-29 16:35:21');
INSERT INTO notifications_migrations VALUES(2,1,1,'2026-11-29 16:35:21');
INSERT INTO notifications_migrations VALUES(3,2,1,'2026-11-29 16:35:21');
CREATE TABLE notifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT NOT NULL,
    topic      TEXT NOT NULL,
    product_id INTEGER NOT NULL,
    created_at DATETIME NOT NULL
);
INSERT INTO notifications VALUES(1,'01a22829-4990-76ec-a53d-800d1ece4adc','product.created',1,'2026-11-29 16:35:24.2371+00:00');
INSERT INTO notifications VALUES(2,'01a22829-4a9f-704e-b605-f95c7ec82c90','product.created',2,'2026-11-29 16:35:24.447932+00:00');
CREATE TABLE audit_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO audit_migrations VALUES(1,0,1,'2026-11-29 16:35:21');
INSERT INTO audit_migrations VALUES(2,1,1,'2026-11-29 16:35:21');
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
INSERT INTO audit_entries VALUES(1,'01a22829-4990-76ec-a53d-800d1ece4adc','product.created',1,'product "Lamp 1" was created at 1.5','products.create_product','','732afc64f6864b00e2945560d4db35e3','2026-11-29 16:35:24.164+00:00','2026-11-29 16:35:24.2003+00:00');
INSERT INTO audit_entries VALUES(2,'01a22829-49f3-7b4f-9c6d-1e3189d5148f','notification.stored',1,'notification 1 of product.created was stored','notifications.store_notification','01a22829-4990-76ec-a53d-800d1ece4adc','732afc64f6864b00e2945560d4db35e3','2026-11-29 16:35:24.269+00:00','2026-11-29 16:35:24.325843+00:00');
INSERT INTO audit_entries VALUES(4,'01a22829-4aa0-7202-98db-71234b7603a8','notification.stored',2,'notification 2 of product.created was stored','notifications.store_notification','01a22829-4a9f-704e-b605-f95c7ec82c90','a3901d087e3fb6b84b9c3228e3877d19','2026-11-29 16:35:24.448+00:00','2026-11-29 16:35:24.453322+00:00');
INSERT INTO audit_entries VALUES(7,'01a22829-4abb-73a0-8bb7-337f35f7b1ec','product.updated',1,'product is now "Lamp 1" at 5.5','products.update_product','','3a7dbf75878f69978cc730b190b22e74','2026-11-29 16:35:24.475+00:00','2026-11-29 16:35:24.4825+00:00');
INSERT INTO audit_entries VALUES(8,'01a22829-4acc-7d3f-b842-908d8cb8b75f','product.updated',1,'product is now "Lamp 1" at 6.5','products.update_product','','af2471998e949a792a829df58061168c','2026-11-29 16:35:24.492+00:00','2026-11-29 16:35:24.493596+00:00');
CREATE TABLE media_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO media_migrations VALUES(1,0,1,'2026-11-29 16:35:21');
INSERT INTO media_migrations VALUES(2,1,1,'2026-11-29 16:35:21');
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
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('eventbus_migrations',6);
INSERT INTO sqlite_sequence VALUES('products_migrations',2);
INSERT INTO sqlite_sequence VALUES('notifications_migrations',3);
INSERT INTO sqlite_sequence VALUES('audit_migrations',2);
INSERT INTO sqlite_sequence VALUES('media_migrations',2);
INSERT INTO sqlite_sequence VALUES('products',3);
INSERT INTO sqlite_sequence VALUES('notifications',3);
INSERT INTO sqlite_sequence VALUES('audit_entries',8);
CREATE INDEX bus_deliveries_due ON bus_deliveries (subscription, due_at) WHERE state = 'pending' AND key = '';
CREATE INDEX bus_deliveries_key ON bus_deliveries (subscription, key, seq) WHERE key <> '';
CREATE INDEX bus_deliveries_dead ON bus_deliveries (subscription, failed_at) WHERE state = 'dead';
CREATE UNIQUE INDEX products_name_key ON products (name);
CREATE UNIQUE INDEX notifications_event_id_key ON notifications (event_id);
CREATE INDEX notifications_product_id_idx ON notifications (product_id);
CREATE INDEX notifications_created_at_idx ON notifications (created_at);
CREATE UNIQUE INDEX audit_entries_event_id_key ON audit_entries (event_id);
CREATE INDEX audit_entries_product_id_idx ON audit_entries (product_id, id);
CREATE INDEX audit_entries_topic_idx ON audit_entries (topic, id);
COMMIT;
