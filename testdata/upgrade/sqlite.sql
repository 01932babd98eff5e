-- A SQLite database of the version before checksums of migrations were kept, as the shell writes it with .dump. That version stored
-- one product, changed it, and was killed while 24 clients stored others: 23 products, 25 events, 44 deliveries that were not done.
BEGIN TRANSACTION;
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
INSERT INTO "audit_entries" VALUES(1,'01a22833-e2f5-7576-a2e8-c3537d63c821','product.created',1,'product "Lamp 1" was created at 1.5','products.create_product','','7d00981b12e1570b1b24077f28eebbbd','2026-11-29 16:46:58.805+00:00','2026-11-29 16:46:58.806132+00:00');
INSERT INTO "audit_entries" VALUES(2,'01a22833-e300-7957-b815-8a6d2d8ed545','notification.stored',1,'notification 1 of product.created was stored','notifications.store_notification','01a22833-e2f5-7576-a2e8-c3537d63c821','7d00981b12e1570b1b24077f28eebbbd','2026-11-29 16:46:58.816+00:00','2026-11-29 16:46:58.817668+00:00');
INSERT INTO "audit_entries" VALUES(3,'01a22833-e300-7ede-b744-2c6b4596378c','product.updated',1,'product is now "Lamp 1" at 2.5','products.update_product','','5ddf9dccf53968b826ef83a8229830f0','2026-11-29 16:46:58.816+00:00','2026-11-29 16:46:58.817765+00:00');
INSERT INTO "audit_entries" VALUES(4,'01a22833-e655-74b7-a0b1-9078a86ca1c5','product.created',2,'product "Burst 16" was created at 1.5','products.create_product','','8c14fca433b92b05276c858638ef4d86','2026-11-29 16:46:59.669+00:00','2026-11-29 16:46:59.710354+00:00');
INSERT INTO "audit_entries" VALUES(5,'01a22833-e655-793e-b659-1526e1a748f5','product.created',4,'product "Burst 1" was created at 1.5','products.create_product','','5a86e82556cdf8dfdd0686f055ee5454','2026-11-29 16:46:59.669+00:00','2026-11-29 16:46:59.728633+00:00');
INSERT INTO "audit_entries" VALUES(6,'01a22833-e655-7a3b-808f-a7d4c8e663ac','product.created',5,'product "Burst 15" was created at 1.5','products.create_product','','95bfedd429cb83ce2dee7f84e3e8308e','2026-11-29 16:46:59.669+00:00','2026-11-29 16:46:59.758925+00:00');
INSERT INTO "audit_entries" VALUES(7,'01a22833-e655-77be-a50b-01eb510d07e2','product.created',3,'product "Burst 2" was created at 1.5','products.create_product','','6d09e453151e9b0436a2f887b57eaf38','2026-11-29 16:46:59.669+00:00','2026-11-29 16:46:59.728949+00:00');
CREATE TABLE audit_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "audit_migrations" VALUES(1,0,1,'2026-11-29 16:46:55');
INSERT INTO "audit_migrations" VALUES(2,1,1,'2026-11-29 16:46:55');
CREATE TABLE bus_actions (
	id           TEXT    NOT NULL PRIMARY KEY,
	at           INTEGER NOT NULL,
	action       TEXT    NOT NULL,
	actor        TEXT    NOT NULL,
	event_id     TEXT    NOT NULL,
	subscription TEXT    NOT NULL,
	detail       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
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
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-74b7-a0b1-9078a86ca1c5','audit.record_product_created/product.created','2',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-74b7-a0b1-9078a86ca1c5','notifications.store_notification/product.created','2',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-77be-a50b-01eb510d07e2','audit.record_product_created/product.created','3',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-77be-a50b-01eb510d07e2','notifications.store_notification/product.created','3',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-793e-b659-1526e1a748f5','audit.record_product_created/product.created','4',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-793e-b659-1526e1a748f5','notifications.store_notification/product.created','4',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-7a3b-808f-a7d4c8e663ac','audit.record_product_created/product.created','5',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-7a3b-808f-a7d4c8e663ac','notifications.store_notification/product.created','5',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-7aff-81e4-c8718c5876a9','audit.record_product_created/product.created','6',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e655-7aff-81e4-c8718c5876a9','notifications.store_notification/product.created','6',117700743637827585,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819669,1795970819669,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e690-7456-83c8-c67acb074aea','audit.record_product_created/product.created','7',117700743641694209,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819728,1795970819728,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e690-7456-83c8-c67acb074aea','notifications.store_notification/product.created','7',117700743641694209,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819728,1795970819728,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e696-7471-aa39-4d42c37c70aa','audit.record_product_created/product.created','8',117700743642087425,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819733,1795970819733,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e696-7471-aa39-4d42c37c70aa','notifications.store_notification/product.created','8',117700743642087425,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819733,1795970819733,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b1-7a98-9d67-1f45df8969d6','audit.record_product_created/product.created','9',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b1-7a98-9d67-1f45df8969d6','notifications.store_notification/product.created','9',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b1-7d27-8fa1-a38e6721ac6c','audit.record_product_created/product.created','10',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b1-7d27-8fa1-a38e6721ac6c','notifications.store_notification/product.created','10',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b1-7e6c-b966-5206e1aab61d','audit.record_product_created/product.created','11',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b1-7e6c-b966-5206e1aab61d','notifications.store_notification/product.created','11',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7004-84db-fa960806d56d','audit.record_product_created/product.created','12',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7004-84db-fa960806d56d','notifications.store_notification/product.created','12',117700743643856897,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819761,1795970819761,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7117-9673-b1372f65e691','audit.record_product_created/product.created','13',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7117-9673-b1372f65e691','notifications.store_notification/product.created','13',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7200-9d9d-f7a1f4caa65a','audit.record_product_created/product.created','14',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7200-9d9d-f7a1f4caa65a','notifications.store_notification/product.created','14',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-73c2-8868-8d5a58e6354b','audit.record_product_created/product.created','15',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-73c2-8868-8d5a58e6354b','notifications.store_notification/product.created','15',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-749f-ad73-0752622dae5b','audit.record_product_created/product.created','16',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-749f-ad73-0752622dae5b','notifications.store_notification/product.created','16',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-75e3-987e-3eaf044ff5c0','audit.record_product_created/product.created','17',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-75e3-987e-3eaf044ff5c0','notifications.store_notification/product.created','17',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-76b3-b476-abe1a42cfb71','audit.record_product_created/product.created','18',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-76b3-b476-abe1a42cfb71','notifications.store_notification/product.created','18',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-77ac-9d82-0fbab63ac159','audit.record_product_created/product.created','19',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-77ac-9d82-0fbab63ac159','notifications.store_notification/product.created','19',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7888-9161-b53ad1cb2189','audit.record_product_created/product.created','20',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7888-9161-b53ad1cb2189','notifications.store_notification/product.created','20',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-796b-8502-0dd1e705fe0e','audit.record_product_created/product.created','21',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-796b-8502-0dd1e705fe0e','notifications.store_notification/product.created','21',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7a5f-826d-ffc0a171927c','audit.record_product_created/product.created','22',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6b2-7a5f-826d-ffc0a171927c','notifications.store_notification/product.created','22',117700743643922433,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819762,1795970819762,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6bd-7bbc-ad05-76da36c03f3e','audit.record_product_created/product.created','23',117700743644643329,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819773,1795970819773,0,0,'',0,0);
INSERT INTO "bus_deliveries" VALUES('01a22833-e6bd-7bbc-ad05-76da36c03f3e','notifications.store_notification/product.created','23',117700743644643329,'running','01a22833-d791-7c50-971e-755940172a0b',1,1,1795970819773,1795970819773,0,0,'',0,0);
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
INSERT INTO "bus_events" VALUES('01a22833-e2f5-7576-a2e8-c3537d63c821','product.created','1',117700743581204481,'products.create_product','','7d00981b12e1570b1b24077f28eebbbd','00-7d00981b12e1570b1b24077f28eebbbd-b2d2b29ef2ba506e-01','','{"id":1,"name":"Lamp 1","price":1.5}',1795970818805);
INSERT INTO "bus_events" VALUES('01a22833-e300-7957-b815-8a6d2d8ed545','notification.stored','1',117700743581925377,'notifications.store_notification','01a22833-e2f5-7576-a2e8-c3537d63c821','7d00981b12e1570b1b24077f28eebbbd','00-7d00981b12e1570b1b24077f28eebbbd-b2d2b29ef2ba506e-01','','{"id":1,"product_id":1,"about":"product.created"}',1795970818816);
INSERT INTO "bus_events" VALUES('01a22833-e300-7ede-b744-2c6b4596378c','product.updated','1',117700743581925377,'products.update_product','','5ddf9dccf53968b826ef83a8229830f0','00-5ddf9dccf53968b826ef83a8229830f0-a52f7f0222d62d01-01','','{"id":1,"name":"Lamp 1","price":2.5}',1795970818816);
INSERT INTO "bus_events" VALUES('01a22833-e655-74b7-a0b1-9078a86ca1c5','product.created','2',117700743637827585,'products.create_product','','8c14fca433b92b05276c858638ef4d86','00-8c14fca433b92b05276c858638ef4d86-2f667ca7ce820dd0-01','','{"id":2,"name":"Burst 16","price":1.5}',1795970819669);
INSERT INTO "bus_events" VALUES('01a22833-e655-77be-a50b-01eb510d07e2','product.created','3',117700743637827585,'products.create_product','','6d09e453151e9b0436a2f887b57eaf38','00-6d09e453151e9b0436a2f887b57eaf38-daafab6b3e5c4aca-01','','{"id":3,"name":"Burst 2","price":1.5}',1795970819669);
INSERT INTO "bus_events" VALUES('01a22833-e655-793e-b659-1526e1a748f5','product.created','4',117700743637827585,'products.create_product','','5a86e82556cdf8dfdd0686f055ee5454','00-5a86e82556cdf8dfdd0686f055ee5454-240c2a07a2679e9c-01','','{"id":4,"name":"Burst 1","price":1.5}',1795970819669);
INSERT INTO "bus_events" VALUES('01a22833-e655-7a3b-808f-a7d4c8e663ac','product.created','5',117700743637827585,'products.create_product','','95bfedd429cb83ce2dee7f84e3e8308e','00-95bfedd429cb83ce2dee7f84e3e8308e-7eac99cbc4bd7466-01','','{"id":5,"name":"Burst 15","price":1.5}',1795970819669);
INSERT INTO "bus_events" VALUES('01a22833-e655-7aff-81e4-c8718c5876a9','product.created','6',117700743637827585,'products.create_product','','f2c0aee11ce865886a5281bda8ce8600','00-f2c0aee11ce865886a5281bda8ce8600-bc0a369da35a0345-01','','{"id":6,"name":"Burst 18","price":1.5}',1795970819669);
INSERT INTO "bus_events" VALUES('01a22833-e690-7456-83c8-c67acb074aea','product.created','7',117700743641694209,'products.create_product','','33f4e4fba246cde581d1c40ea626c0dc','00-33f4e4fba246cde581d1c40ea626c0dc-379d3909c35405e9-01','','{"id":7,"name":"Burst 12","price":1.5}',1795970819728);
INSERT INTO "bus_events" VALUES('01a22833-e696-7471-aa39-4d42c37c70aa','product.created','8',117700743642087425,'products.create_product','','b3c5a909cbae5c6a426455c5307c55bc','00-b3c5a909cbae5c6a426455c5307c55bc-dbb7d4dd5d8a96c8-01','','{"id":8,"name":"Burst 3","price":1.5}',1795970819733);
INSERT INTO "bus_events" VALUES('01a22833-e6b1-7a98-9d67-1f45df8969d6','product.created','9',117700743643856897,'products.create_product','','65c74cc08abc6f15dfcf4e53d5eab57f','00-65c74cc08abc6f15dfcf4e53d5eab57f-98492cdfaccd969e-01','','{"id":9,"name":"Burst 19","price":1.5}',1795970819761);
INSERT INTO "bus_events" VALUES('01a22833-e6b1-7d27-8fa1-a38e6721ac6c','product.created','10',117700743643856897,'products.create_product','','a7eec11e616f81188400bba30053a54d','00-a7eec11e616f81188400bba30053a54d-3083ede4763296ea-01','','{"id":10,"name":"Burst 4","price":1.5}',1795970819761);
INSERT INTO "bus_events" VALUES('01a22833-e6b1-7e6c-b966-5206e1aab61d','product.created','11',117700743643856897,'products.create_product','','69975e030099be2b562a7e6026949709','00-69975e030099be2b562a7e6026949709-24d7b9c47a50a3d7-01','','{"id":11,"name":"Burst 0","price":1.5}',1795970819761);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-7004-84db-fa960806d56d','product.created','12',117700743643856897,'products.create_product','','69fd3ca9a032f4ce8cb8938a42366d96','00-69fd3ca9a032f4ce8cb8938a42366d96-d9fbc84042871671-01','','{"id":12,"name":"Burst 17","price":1.5}',1795970819761);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-7117-9673-b1372f65e691','product.created','13',117700743643922433,'products.create_product','','d39bcf17e550f9c0cd864516965b5f4f','00-d39bcf17e550f9c0cd864516965b5f4f-e3945a74e171e205-01','','{"id":13,"name":"Burst 20","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-7200-9d9d-f7a1f4caa65a','product.created','14',117700743643922433,'products.create_product','','0312629544e8660db042e0b8818f1e8f','00-0312629544e8660db042e0b8818f1e8f-cb1d052f619ea757-01','','{"id":14,"name":"Burst 5","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-73c2-8868-8d5a58e6354b','product.created','15',117700743643922433,'products.create_product','','1f1864e2e400a28c6366d6fd7e9b6bc7','00-1f1864e2e400a28c6366d6fd7e9b6bc7-9a48cb78b71c5933-01','','{"id":15,"name":"Burst 21","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-749f-ad73-0752622dae5b','product.created','16',117700743643922433,'products.create_product','','22b35b232f33c03f4761fe40410a3dc8','00-22b35b232f33c03f4761fe40410a3dc8-e6e0968d297a9ef6-01','','{"id":16,"name":"Burst 6","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-75e3-987e-3eaf044ff5c0','product.created','17',117700743643922433,'products.create_product','','9392c090067c4d91ae228f3389aba392','00-9392c090067c4d91ae228f3389aba392-afca846099013688-01','','{"id":17,"name":"Burst 23","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-76b3-b476-abe1a42cfb71','product.created','18',117700743643922433,'products.create_product','','881c8e06032d2197b196aa51ea526fe8','00-881c8e06032d2197b196aa51ea526fe8-8daf3faca31f18b1-01','','{"id":18,"name":"Burst 8","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-77ac-9d82-0fbab63ac159','product.created','19',117700743643922433,'products.create_product','','512cbf3ac988a03f5f96cc3380571cf0','00-512cbf3ac988a03f5f96cc3380571cf0-a4d94346b207adf4-01','','{"id":19,"name":"Burst 7","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-7888-9161-b53ad1cb2189','product.created','20',117700743643922433,'products.create_product','','6baff08f4b1e4f4c9a92dede3a440360','00-6baff08f4b1e4f4c9a92dede3a440360-6abad23f7a4f86bf-01','','{"id":20,"name":"Burst 9","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-796b-8502-0dd1e705fe0e','product.created','21',117700743643922433,'products.create_product','','6f8ebeaee19cb714ce211dbbe2330fad','00-6f8ebeaee19cb714ce211dbbe2330fad-6e44f3dcef7e5d8a-01','','{"id":21,"name":"Burst 22","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6b2-7a5f-826d-ffc0a171927c','product.created','22',117700743643922433,'products.create_product','','ea7c29258dac45452c2bb568475834b1','00-ea7c29258dac45452c2bb568475834b1-272863434c7324d2-01','','{"id":22,"name":"Burst 13","price":1.5}',1795970819762);
INSERT INTO "bus_events" VALUES('01a22833-e6bd-7bbc-ad05-76da36c03f3e','product.created','23',117700743644643329,'products.create_product','','f922f9d27d8bc77fbb288bbd1f88bb4e','00-f922f9d27d8bc77fbb288bbd1f88bb4e-37366596a8e22910-01','','{"id":23,"name":"Burst 11","price":1.5}',1795970819773);
CREATE TABLE bus_schedules (
	name      TEXT NOT NULL PRIMARY KEY,
	spec      TEXT NOT NULL,
	passed_at INTEGER NOT NULL,
	due_at    INTEGER NOT NULL,
	event_id  TEXT NOT NULL,
	asked_at  INTEGER NOT NULL
);
INSERT INTO "bus_schedules" VALUES('notifications.delete_old_notifications/schedule','30 3 * * *',1795970815891,0,'',0);
CREATE TABLE bus_sequences (
	topic   TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	last    INTEGER NOT NULL,
	used_at INTEGER NOT NULL, first INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "bus_sequences" VALUES('notification.stored','1',117700743581925377,1795970818816,117700743581925377);
INSERT INTO "bus_sequences" VALUES('product.created','1',117700743581204481,1795970818805,117700743581204481);
INSERT INTO "bus_sequences" VALUES('product.created','10',117700743643856897,1795970819761,117700743643856897);
INSERT INTO "bus_sequences" VALUES('product.created','11',117700743643856897,1795970819761,117700743643856897);
INSERT INTO "bus_sequences" VALUES('product.created','12',117700743643856897,1795970819761,117700743643856897);
INSERT INTO "bus_sequences" VALUES('product.created','13',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','14',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','15',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','16',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','17',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','18',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','19',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','2',117700743637827585,1795970819669,117700743637827585);
INSERT INTO "bus_sequences" VALUES('product.created','20',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','21',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','22',117700743643922433,1795970819762,117700743643922433);
INSERT INTO "bus_sequences" VALUES('product.created','23',117700743644643329,1795970819773,117700743644643329);
INSERT INTO "bus_sequences" VALUES('product.created','3',117700743637827585,1795970819669,117700743637827585);
INSERT INTO "bus_sequences" VALUES('product.created','4',117700743637827585,1795970819669,117700743637827585);
INSERT INTO "bus_sequences" VALUES('product.created','5',117700743637827585,1795970819669,117700743637827585);
INSERT INTO "bus_sequences" VALUES('product.created','6',117700743637827585,1795970819669,117700743637827585);
INSERT INTO "bus_sequences" VALUES('product.created','7',117700743641694209,1795970819728,117700743641694209);
INSERT INTO "bus_sequences" VALUES('product.created','8',117700743642087425,1795970819734,117700743642087425);
INSERT INTO "bus_sequences" VALUES('product.created','9',117700743643856897,1795970819761,117700743643856897);
INSERT INTO "bus_sequences" VALUES('product.updated','1',117700743581925377,1795970818816,117700743581925377);
CREATE TABLE bus_subscriptions (
	name       TEXT    NOT NULL PRIMARY KEY,
	topic      TEXT    NOT NULL,
	plugin     TEXT    NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('active', 'retired')),
	created_at INTEGER NOT NULL,
	seen_at    INTEGER NOT NULL
, adopted_by TEXT NOT NULL DEFAULT '', adopted_at INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
INSERT INTO "bus_subscriptions" VALUES('audit.record_notification_stored/notification.stored','notification.stored','audit.record_notification_stored','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('audit.record_product_created/product.created','product.created','audit.record_product_created','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('audit.record_product_deleted/product.deleted','product.deleted','audit.record_product_deleted','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('audit.record_product_updated/product.updated','product.updated','audit.record_product_updated','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('media.create_thumbnails/image.uploaded','image.uploaded','media.create_thumbnails','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('media.give_up_thumbnails/_dlq.image.uploaded','_dlq.image.uploaded','media.give_up_thumbnails','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('notifications.delete_old_notifications/schedule','_due.notifications.delete_old_notifications/schedule','notifications.delete_old_notifications','active',1795970815890,1795970816913,'',0);
INSERT INTO "bus_subscriptions" VALUES('notifications.store_notification/product.created','product.created','notifications.store_notification','active',1795970815890,1795970816913,'',0);
CREATE TABLE eventbus_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "eventbus_migrations" VALUES(1,0,1,'2026-11-29 16:46:55');
INSERT INTO "eventbus_migrations" VALUES(2,1,1,'2026-11-29 16:46:55');
INSERT INTO "eventbus_migrations" VALUES(3,2,1,'2026-11-29 16:46:55');
INSERT INTO "eventbus_migrations" VALUES(4,3,1,'2026-11-29 16:46:55');
INSERT INTO "eventbus_migrations" VALUES(5,4,1,'2026-11-29 16:46:55');
INSERT INTO "eventbus_migrations" VALUES(6,5,1,'2026-11-29 16:46:55');
CREATE TABLE image_contents (
    image_id INTEGER PRIMARY KEY CONSTRAINT image_contents_image_fkey REFERENCES images (id) ON DELETE CASCADE,
    content  BLOB NOT NULL
);
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
CREATE TABLE media_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "media_migrations" VALUES(1,0,1,'2026-11-29 16:46:55');
INSERT INTO "media_migrations" VALUES(2,1,1,'2026-11-29 16:46:55');
CREATE TABLE notifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT NOT NULL,
    topic      TEXT NOT NULL,
    product_id INTEGER NOT NULL,
    created_at DATETIME NOT NULL
);
INSERT INTO "notifications" VALUES(1,'01a22833-e2f5-7576-a2e8-c3537d63c821','product.created',1,'2026-11-29 16:46:58.815851+00:00');
CREATE TABLE notifications_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "notifications_migrations" VALUES(1,0,1,'2026-11-29 16:46:55');
INSERT INTO "notifications_migrations" VALUES(2,1,1,'2026-11-29 16:46:55');
INSERT INTO "notifications_migrations" VALUES(3,2,1,'2026-11-29 16:46:55');
CREATE TABLE products (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name  TEXT NOT NULL CONSTRAINT products_name_not_blank CHECK (trim(name) <> ''),
    price REAL NOT NULL CONSTRAINT products_price_positive CHECK (price > 0)
);
INSERT INTO "products" VALUES(1,'Lamp 1',2.5);
INSERT INTO "products" VALUES(2,'Burst 16',1.5);
INSERT INTO "products" VALUES(3,'Burst 2',1.5);
INSERT INTO "products" VALUES(4,'Burst 1',1.5);
INSERT INTO "products" VALUES(5,'Burst 15',1.5);
INSERT INTO "products" VALUES(6,'Burst 18',1.5);
INSERT INTO "products" VALUES(7,'Burst 12',1.5);
INSERT INTO "products" VALUES(8,'Burst 3',1.5);
INSERT INTO "products" VALUES(9,'Burst 19',1.5);
INSERT INTO "products" VALUES(10,'Burst 4',1.5);
INSERT INTO "products" VALUES(11,'Burst 0',1.5);
INSERT INTO "products" VALUES(12,'Burst 17',1.5);
INSERT INTO "products" VALUES(13,'Burst 20',1.5);
INSERT INTO "products" VALUES(14,'Burst 5',1.5);
INSERT INTO "products" VALUES(15,'Burst 21',1.5);
INSERT INTO "products" VALUES(16,'Burst 6',1.5);
INSERT INTO "products" VALUES(17,'Burst 23',1.5);
INSERT INTO "products" VALUES(18,'Burst 8',1.5);
INSERT INTO "products" VALUES(19,'Burst 7',1.5);
INSERT INTO "products" VALUES(20,'Burst 9',1.5);
INSERT INTO "products" VALUES(21,'Burst 22',1.5);
INSERT INTO "products" VALUES(22,'Burst 13',1.5);
INSERT INTO "products" VALUES(23,'Burst 11',1.5);
CREATE TABLE products_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "products_migrations" VALUES(1,0,1,'2026-11-29 16:46:55');
INSERT INTO "products_migrations" VALUES(2,1,1,'2026-11-29 16:46:55');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('eventbus_migrations',6);
INSERT INTO "sqlite_sequence" VALUES('products_migrations',2);
INSERT INTO "sqlite_sequence" VALUES('notifications_migrations',3);
INSERT INTO "sqlite_sequence" VALUES('audit_migrations',2);
INSERT INTO "sqlite_sequence" VALUES('media_migrations',2);
INSERT INTO "sqlite_sequence" VALUES('products',23);
INSERT INTO "sqlite_sequence" VALUES('audit_entries',7);
INSERT INTO "sqlite_sequence" VALUES('notifications',1);
COMMIT;
