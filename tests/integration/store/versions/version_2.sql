-- A store of schema version 2 as chargebridge left it. Never changed: such stores are in use.

PRAGMA application_id = 0x63686272;
PRAGMA user_version = 2;

CREATE TABLE charge_points (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    central_system TEXT NOT NULL,
    last_transaction INTEGER NOT NULL DEFAULT 0,
    UNIQUE (identity, central_system)
);
CREATE TABLE states (
    charge_point INTEGER PRIMARY KEY REFERENCES charge_points (id),
    document TEXT NOT NULL
);
CREATE TABLE configuration (
    charge_point INTEGER NOT NULL REFERENCES charge_points (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (charge_point, key)
) WITHOUT ROWID;
CREATE TABLE transactions (
    charge_point INTEGER NOT NULL REFERENCES charge_points (id),
    number INTEGER NOT NULL,
    session INTEGER NOT NULL,
    charger TEXT NOT NULL,
    connector INTEGER NOT NULL,
    id_tag TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    meter_start_wh INTEGER NOT NULL,
    start TEXT NOT NULL CHECK (start IN ('none', 'queued', 'answered', 'dead')),
    transaction_id INTEGER,
    id_tag_status TEXT,
    parent_id_tag TEXT,
    sampled_ms INTEGER NOT NULL,
    register_wh INTEGER NOT NULL,
    stopped_ms INTEGER,
    meter_stop_wh INTEGER,
    stop_reason TEXT,
    stop_tag TEXT,
    stop TEXT NOT NULL CHECK (stop IN ('none', 'queued', 'answered', 'dead')),
    PRIMARY KEY (charge_point, number)
) WITHOUT ROWID;
CREATE INDEX transactions_by_charger ON transactions (charger, session);
CREATE INDEX transactions_by_start ON transactions (started_ms);
CREATE INDEX transactions_ended ON transactions (charge_point, started_ms)
    WHERE stopped_ms IS NOT NULL;
CREATE INDEX transactions_open ON transactions (charge_point, number) WHERE stopped_ms IS NULL;
CREATE INDEX transactions_undelivered ON transactions (started_ms)
    WHERE start = 'queued' OR stop = 'queued';
CREATE INDEX transactions_delivered ON transactions (stopped_ms)
    WHERE start = 'answered' AND stop = 'answered';
CREATE TABLE queue (
    charge_point INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('start', 'meter_values', 'stop')),
    transaction_number INTEGER NOT NULL,
    payload BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    not_before_ms INTEGER,
    sampled_ms INTEGER NOT NULL, history TEXT,
    PRIMARY KEY (charge_point, sequence),
    FOREIGN KEY (charge_point, transaction_number) REFERENCES transactions (charge_point, number)
) WITHOUT ROWID;
CREATE TABLE transaction_samples (
    charge_point INTEGER NOT NULL,
    transaction_number INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (charge_point, transaction_number),
    FOREIGN KEY (charge_point, transaction_number) REFERENCES transactions (charge_point, number)
        ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE charging_profiles (
    charge_point INTEGER NOT NULL REFERENCES charge_points (id),
    profile_id INTEGER NOT NULL,
    connector INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    stack_level INTEGER NOT NULL,
    transaction_number INTEGER,
    document TEXT NOT NULL,
    PRIMARY KEY (charge_point, profile_id)
) WITHOUT ROWID;
CREATE TABLE profile_writes (
    charger TEXT NOT NULL,
    day INTEGER NOT NULL,
    writes INTEGER NOT NULL,
    PRIMARY KEY (charger, day)
) WITHOUT ROWID;
CREATE INDEX profile_writes_by_day ON profile_writes (day);
CREATE TABLE local_list (
    charge_point INTEGER NOT NULL REFERENCES charge_points (id),
    id_tag TEXT NOT NULL COLLATE NOCASE,
    status TEXT NOT NULL,
    expires_ms INTEGER,
    parent_id_tag TEXT,
    PRIMARY KEY (charge_point, id_tag)
) WITHOUT ROWID;
CREATE TABLE token_cache (
    charge_point INTEGER NOT NULL REFERENCES charge_points (id),
    id_tag TEXT NOT NULL COLLATE NOCASE,
    status TEXT NOT NULL,
    expires_ms INTEGER,
    parent_id_tag TEXT,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (charge_point, id_tag)
) WITHOUT ROWID;
CREATE INDEX token_cache_by_worth ON token_cache (charge_point, status = 'Accepted', at_ms, id_tag);
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY,
    charge_point INTEGER NOT NULL REFERENCES charge_points (id),
    at_ms INTEGER NOT NULL,
    input TEXT NOT NULL,
    error TEXT NOT NULL
);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    charge_point INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('start', 'meter_values', 'stop')),
    transaction_number INTEGER NOT NULL,
    payload BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    sampled_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    history TEXT,
    FOREIGN KEY (charge_point, transaction_number) REFERENCES transactions (charge_point, number)
);
CREATE INDEX dead_letters_by_transaction ON dead_letters (charge_point, transaction_number);
CREATE VIEW readable_charge_points AS
    SELECT identity, central_system, last_transaction,
        (SELECT count(*) FROM queue WHERE queue.charge_point = charge_points.id) AS undelivered, document
    FROM charge_points LEFT JOIN states ON states.charge_point = charge_points.id;
CREATE VIEW readable_configuration AS
    SELECT identity, central_system, key, value
    FROM configuration JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_transactions AS
    SELECT identity, central_system, number, session, charger, connector, id_tag,
        strftime('%Y-%m-%dT%H:%M:%fZ', started_ms / 1000.0, 'unixepoch') AS started, meter_start_wh, start, transaction_id,
        id_tag_status, parent_id_tag,
        strftime('%Y-%m-%dT%H:%M:%fZ', nullif(sampled_ms, 0) / 1000.0, 'unixepoch') AS sampled, register_wh, strftime('%Y-%m-%dT%H:%M:%fZ', stopped_ms / 1000.0, 'unixepoch') AS stopped,
        meter_stop_wh, stop_reason, stop_tag, stop
    FROM transactions JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_transaction_samples AS
    SELECT identity, central_system, transaction_number, document
    FROM transaction_samples JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_charging_profiles AS
    SELECT identity, central_system, profile_id, connector, purpose, stack_level, transaction_number,
        document
    FROM charging_profiles JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_profile_writes AS
    SELECT charger, date(day * 86400, 'unixepoch') AS day, writes FROM profile_writes;
CREATE VIEW readable_local_list AS
    SELECT identity, central_system, id_tag, status, strftime('%Y-%m-%dT%H:%M:%fZ', expires_ms / 1000.0, 'unixepoch') AS expires, parent_id_tag
    FROM local_list JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_token_cache AS
    SELECT identity, central_system, id_tag, status, strftime('%Y-%m-%dT%H:%M:%fZ', expires_ms / 1000.0, 'unixepoch') AS expires, parent_id_tag,
        strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at
    FROM token_cache JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_set_aside AS
    SELECT identity, central_system, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at, input, error
    FROM set_aside JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_queue AS
    SELECT identity, central_system, sequence, kind, transaction_number, CAST(payload AS TEXT) AS payload,
        attempts, strftime('%Y-%m-%dT%H:%M:%fZ', not_before_ms / 1000.0, 'unixepoch') AS not_before, strftime('%Y-%m-%dT%H:%M:%fZ', nullif(sampled_ms, 0) / 1000.0, 'unixepoch') AS sampled,
        (SELECT group_concat(
            json_extract(value, '$.attempt') || '. ' || strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(value, '$.at_ms') / 1000.0, 'unixepoch')
            || ' ' || json_extract(value, '$.reason'), char(10)) FROM json_each(history)) AS history
    FROM queue JOIN charge_points ON charge_points.id = charge_point;
CREATE VIEW readable_dead_letters AS
    SELECT dead_letters.id, identity, central_system, kind, transaction_number,
        CAST(payload AS TEXT) AS payload, attempts, strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at, reason, (SELECT group_concat(
            json_extract(value, '$.attempt') || '. ' || strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(value, '$.at_ms') / 1000.0, 'unixepoch')
            || ' ' || json_extract(value, '$.reason'), char(10)) FROM json_each(history)) AS history
    FROM dead_letters JOIN charge_points ON charge_points.id = charge_point;

-- Rows as version 2 wrote them. 1767340800000 is 2026-01-02T08:00:00Z.

INSERT INTO charge_points (id, identity, central_system, last_transaction) VALUES
    (1, 'CP1', 'main', 5),
    (2, 'CP2', 'gone', 1),
    (3, 'CP9', 'gone', 1);

-- The second has everything that a state can have.
INSERT INTO states (charge_point, document) VALUES
    (1, '{"charger":"disconnected","states":{"until_ms":1767347000000,"ahead":[]},"told_sessions":[[1,4,1000,4000]],"edges":{"until_ms":1767347100000,"ahead":[]},"newest_ms":1767347160000,"charger_name":"sim/CP1","register_wh":4100,"command_number":3,"list_version":2,"list_revision":2}'),
    (2, '{"firmware":"v318","info":{"serial":"EH000002","vendor":"Easee","model":"Home","firmware":"v318","phases":3,"max_current_a":32,"capabilities":["availability","cache","limit","local_list","override","plan","reboot","settings","temperature","unlock"]},"charger":"charging","states":{"until_ms":1767347999995,"ahead":[1767348000001,1767348000007]},"reason":"Limited by schedule","fault":"ground","finished":true,"unplugged":true,"preparing_until_ms":1767348000002,"tokens":{"until_ms":1767347999996,"ahead":[1767348000003]},"timeless_tokens":[1000,2000],"told_sessions":[[1,6,0,900],[8,8,1000,123000]],"edges":{"until_ms":1767347100000,"ahead":[1767348000002]},"held":[{"type":"SessionEnded","at_ms":1767346900000,"session":7,"id_tag":null,"started_at_ms":1767346800000,"start_register_wh":900,"register_wh":1000,"reason":"power_loss"},{"type":"SessionStarted","at_ms":1767347999000,"session":10,"id_tag":"TAG2","register_wh":123500},{"type":"SessionEnded","at_ms":1767347999500,"session":10,"id_tag":"TAG2","started_at_ms":1767347999000,"start_register_wh":123500,"register_wh":123600,"reason":"ev_disconnected"}],"held_token":{"type":"TokenPresented","at_ms":1767347999600,"id_tag":"TAG3"},"held_until_ms":1767351600000,"assumed":[{"session":8,"at_ms":1767347000000,"register_wh":2000}],"newest_ms":1767348000009,"charger_name":"sim/SIM2","told":{"session":6,"at_ms":1767347999995,"register_wh":900},"told_since_ms":1764669600000,"register_wh":123456,"operative":false,"connector_operative":false,"scheduled":[[0,true],[1,false]],"intent":{"id_tag":"04A1B2C3","origin":"remote","parent_id_tag":"FAMILY","until_ms":1767348060000,"profile":"eyJjaGFyZ2luZ1Byb2ZpbGVJZCI6MX0="},"stop_request":{"reason":"Remote","id_tag":"04A1B2C3"},"reset":"Soft","reset_until_ms":1767348030000,"restart_expected_ms":1767348600000,"reset_failed":true,"reset_retries":2,"reboot_again_ms":1767348060000,"last_reset":{"kind":"Hard","asked_ms":1767347800000,"restarted_ms":1767347900000},"restarts":{"until_ms":1767347900000,"ahead":[1767348000009]},"command_number":17,"asked":[{"purpose":"authorization","command":{"type":"Authorize","number":1,"expires_ms":1767348000000,"id_tag":"04A1B2C3","accepted":true},"outcome":null,"failures":0},{"purpose":"availability","command":{"type":"SetAvailable","number":2,"expires_ms":1767348000000,"available":false},"outcome":"refused","failures":3},{"purpose":"settings","command":{"type":"Configure","number":6,"expires_ms":1767348600000,"authorization_required":false,"free_charging_tag":"FREE","authorize_offline":false,"allow_unknown_offline":true,"end_when_unplugged":false,"unlock_when_unplugged":true},"outcome":"unknown","failures":1},{"purpose":"plan","command":{"type":"StorePlan","number":4,"expires_ms":1767348000000,"plan":{"start_ms":1767348000000,"periods":[[0,16000],[3600,6000]],"duration_s":86400,"repeat_s":86400,"from_ms":1767348000000,"until_ms":1768212000000}},"outcome":null,"failures":0},{"purpose":"limit","command":{"type":"SetLimit","number":5,"expires_ms":1767348000000,"limit_ma":6000,"until_ms":1767348060000},"outcome":null,"failures":0},{"purpose":"reboot","command":{"type":"Reboot","number":7,"expires_ms":1767348000000},"outcome":null,"failures":0},{"purpose":"unlock","command":{"type":"Unlock","number":8,"expires_ms":1767348000000},"outcome":null,"failures":0},{"purpose":"cache","command":{"type":"ClearCache","number":9,"expires_ms":1767348000000},"outcome":"expired","failures":0},{"purpose":"override","command":{"type":"OverrideSchedule","number":10,"expires_ms":1767348000000},"outcome":null,"failures":0}],"configured":{"type":"Configure","number":6,"expires_ms":1767348600000,"authorization_required":false,"free_charging_tag":"FREE","authorize_offline":false,"allow_unknown_offline":true,"end_when_unplugged":false,"unlock_when_unplugged":true},"list_version":3,"list_revision":4,"list_kept":3,"list_conflict":"TAG9","foreign_cache":true,"dynamic":[{"key":"DynamicChargerCurrent","text":"10","limit_ma":10000,"until_ms":1767348000001},{"key":"DynamicCircuitCurrent","text":"12.5","limit_ma":12500,"until_ms":null}],"plan":{"start_ms":1767348000000,"periods":[[0,16000],[3600,6000]],"duration_s":86400,"repeat_s":86400,"from_ms":1767348000000,"until_ms":1768212000000},"plan_unknown":true,"limit":{"type":"SetLimit","number":5,"expires_ms":1767348000000,"limit_ma":6000,"until_ms":null},"overridden":9,"override_unknown":8,"profile_writes":[[20454,2],[20455,1]],"memory_spared":true,"locked":{"id_tag":"04A1B2C3","parent_id_tag":"FAMILY"}}');

INSERT INTO configuration (charge_point, key, value) VALUES
    (1, 'MeterValueSampleInterval', '0'),
    (1, 'TransactionMessageAttempts', '3'),
    (1, 'TransactionMessageRetryInterval', '1'),
    (2, 'ConnectionTimeOut', '90');

-- Of the first: one that is delivered, at the second try; one whose Start was given up, one whose Stop was;
-- one of which Stop and a sample wait, and one that runs.
INSERT INTO transactions (charge_point, number, session, charger, connector, id_tag, started_ms,
    meter_start_wh, start, transaction_id, id_tag_status, parent_id_tag, sampled_ms, register_wh,
    stopped_ms, meter_stop_wh, stop_reason, stop_tag, stop) VALUES
    (1, 1, 1, 'sim/CP1', 1, 'TAG1', 1767340800000, 1000, 'answered', 11, 'Accepted', NULL, 1767341400000, 2000, 1767342600000, 2000, 'Local', 'TAG1', 'answered'),
    (1, 2, 2, 'sim/CP1', 1, 'TAG2', 1767342600000, 2000, 'dead', NULL, NULL, NULL, 1767343200000, 3000, 1767344400000, 3000, 'EVDisconnected', NULL, 'answered'),
    (1, 3, 3, 'sim/CP1', 1, 'TAG3', 1767344400000, 3000, 'answered', 33, 'Accepted', 'FAMILY', 1767344400000, 3500, 1767346200000, 3500, 'Remote', NULL, 'dead'),
    (1, 4, 4, 'sim/CP1', 1, 'TAG4', 1767346200000, 3500, 'answered', 44, 'Accepted', NULL, 1767346800000, 4000, 1767347000000, 4000, 'EVDisconnected', NULL, 'queued'),
    (1, 5, 5, 'sim/CP1', 1, 'TAG5', 1767347100000, 4000, 'queued', NULL, NULL, NULL, 1767347160000, 4100, NULL, NULL, NULL, NULL, 'none'),
    (2, 1, 9, 'sim/SIM2', 1, '04A1B2C3', 1767347100000, 123000, 'answered', -7, 'Accepted', 'FAMILY', 1767347160000, 123456, NULL, NULL, NULL, NULL, 'none'),
    (3, 1, 1, 'sim/CP9', 1, 'TAG9', 1767340800000, 0, 'dead', NULL, NULL, NULL, 1767340800000, 10, 1767342600000, 10, 'Other', NULL, 'dead');

-- The first was given up before, and sent again.
INSERT INTO queue (charge_point, sequence, kind, transaction_number, payload, attempts, not_before_ms,
    sampled_ms, history) VALUES
    (1, 21, 'meter_values', 4, CAST('[{"timestamp":"2026-01-02T09:40:00.000Z","sampledValue":[{"value":"3700","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 1, 1767347001000, 1767346800000, '[{"attempt":1,"at_ms":1767346800000,"reason":"InternalError: no database"},{"attempt":2,"at_ms":1767346860000,"reason":"InternalError: no database"},{"attempt":3,"at_ms":1767346920000,"reason":"InternalError: no database"},{"attempt":1,"at_ms":1767347000000,"reason":"no answer in time"}]'),
    (1, 22, 'stop', 4, CAST('' AS BLOB), 0, NULL, 0, NULL),
    (1, 23, 'start', 5, CAST('' AS BLOB), 0, NULL, 0, NULL),
    (1, 24, 'meter_values', 5, CAST('[{"timestamp":"2026-01-02T09:46:00.000Z","sampledValue":[{"value":"4100","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 0, NULL, 1767347160000, NULL);

-- The last was sent again twice already: it came back with another id each time.
INSERT INTO dead_letters (id, charge_point, sequence, kind, transaction_number, payload, attempts,
    sampled_ms, at_ms, reason, history) VALUES
    (3, 1, 5, 'start', 2, CAST('' AS BLOB), 3, 0, 1767342780000, 'InternalError: no database', '[{"attempt":1,"at_ms":1767342660000,"reason":"InternalError: no database"},{"attempt":2,"at_ms":1767342720000,"reason":"InternalError: no database"},{"attempt":3,"at_ms":1767342780000,"reason":"InternalError: no database"}]'),
    (4, 1, 6, 'meter_values', 2, CAST('[{"timestamp":"2026-01-02T08:40:00.000Z","sampledValue":[{"value":"2500","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 3, 1767343200000, 1767343380000, 'InternalError: it''s still gone', '[{"attempt":1,"at_ms":1767343260000,"reason":"InternalError: it''s still gone"},{"attempt":2,"at_ms":1767343320000,"reason":"InternalError: it''s still gone"},{"attempt":3,"at_ms":1767343380000,"reason":"InternalError: it''s still gone"}]'),
    (7, 3, 1, 'start', 1, CAST('' AS BLOB), 3, 0, 1767340980000, 'NotSupported: ', '[{"attempt":1,"at_ms":1767340860000,"reason":"NotSupported: "},{"attempt":2,"at_ms":1767340920000,"reason":"NotSupported: "},{"attempt":3,"at_ms":1767340980000,"reason":"NotSupported: "}]'),
    (8, 3, 2, 'stop', 1, CAST('' AS BLOB), 3, 0, 1767342780000, 'NotSupported: ', '[{"attempt":1,"at_ms":1767342660000,"reason":"NotSupported: "},{"attempt":2,"at_ms":1767342720000,"reason":"NotSupported: "},{"attempt":3,"at_ms":1767342780000,"reason":"NotSupported: "}]'),
    (9, 1, 11, 'stop', 3, CAST('[{"timestamp":"2026-01-02T09:00:00.000Z","sampledValue":[{"value":"3000","context":"Transaction.Begin","measurand":"Energy.Active.Import.Register","unit":"Wh"}]},{"timestamp":"2026-01-02T09:30:00.000Z","sampledValue":[{"value":"3500","context":"Transaction.End","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 3, 0, 1767346500000, 'no answer in time', '[{"attempt":1,"at_ms":1767346140000,"reason":"no answer in time"},{"attempt":2,"at_ms":1767346200000,"reason":"no answer in time"},{"attempt":3,"at_ms":1767346260000,"reason":"no answer in time"},{"attempt":1,"at_ms":1767346200000,"reason":"no answer in time"},{"attempt":2,"at_ms":1767346260000,"reason":"no answer in time"},{"attempt":3,"at_ms":1767346320000,"reason":"no answer in time"},{"attempt":1,"at_ms":1767346380000,"reason":"no answer in time"},{"attempt":2,"at_ms":1767346440000,"reason":"no answer in time"},{"attempt":3,"at_ms":1767346500000,"reason":"no answer in time"}]');

INSERT INTO transaction_samples (charge_point, transaction_number, document) VALUES
    (1, 5, '[[1767347160000,"Sample.Periodic",[["energy_wh",4100,0]]]]');

INSERT INTO charging_profiles (charge_point, profile_id, connector, purpose, stack_level,
    transaction_number, document) VALUES
    (1, 7, 1, 'TxDefaultProfile', 0, NULL, '{"chargingProfileId":7,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}');

INSERT INTO profile_writes (charger, day, writes) VALUES
    ('sim/CP1', 20454, 2),
    ('sim/CP1', 20455, 1);

INSERT INTO local_list (charge_point, id_tag, status, expires_ms, parent_id_tag) VALUES
    (1, 'TAG1', 'Accepted', 1893456000000, 'FAMILY'),
    (1, 'TAG6', 'Blocked', NULL, NULL);

INSERT INTO token_cache (charge_point, id_tag, status, expires_ms, parent_id_tag, at_ms) VALUES
    (1, 'TAG2', 'Accepted', NULL, NULL, 1767342600000);

INSERT INTO set_aside (id, charge_point, at_ms, input, error) VALUES
    (1, 1, 1767340800000, 'ChargerTold(event=...)', 'RuntimeError: a defect');

-- The tenth was sent again; its id is never given again.
UPDATE sqlite_sequence SET seq = 10 WHERE name = 'dead_letters';
