-- Rows of a store at whose charge point CP1 messages wait and dead letters lie; CP9 belongs elsewhere.

INSERT INTO charge_points (id, identity, central_system, last_transaction) VALUES
    (1, 'CP1', 'main', 5),
    (3, 'CP9', 'gone', 1);

INSERT INTO configuration (charge_point, key, value) VALUES
    (1, 'MeterValueSampleInterval', '0'),
    (1, 'TransactionMessageAttempts', '3'),
    (1, 'TransactionMessageRetryInterval', '1');

-- Of CP1: one that is delivered; one whose Start is a dead letter, one whose Stop is; one of which Stop and
-- a sample wait, and one that runs.
INSERT INTO transactions (charge_point, number, session, charger, connector, id_tag, started_ms,
    meter_start_wh, start, transaction_id, id_tag_status, parent_id_tag, sampled_ms, register_wh,
    register_ms, stopped_ms, meter_stop_wh, stop_reason, stop_tag, stop, rebuilt) VALUES
    (1, 1, 1, 'sim/CP1', 1, 'TAG1', 1767340800000, 1000, 'answered', 11, 'Accepted', NULL, 1767341400000, 2000, 1767341400000, 1767342600000, 2000, 'Local', 'TAG1', 'answered', 0),
    (1, 2, 2, 'sim/CP1', 1, 'TAG2', 1767342600000, 2000, 'dead', NULL, NULL, NULL, 1767343200000, 3000, 1767343200000, 1767344400000, 3000, 'EVDisconnected', NULL, 'answered', 0),
    (1, 3, 3, 'sim/CP1', 1, 'TAG3', 1767344400000, 3000, 'answered', 33, 'Accepted', 'FAMILY', 1767344400000, 3500, 1767346200000, 1767346200000, 3500, 'Remote', NULL, 'dead', 0),
    (1, 4, 4, 'sim/CP1', 1, 'TAG4', 1767346200000, 3500, 'answered', 44, 'Accepted', NULL, 1767346800000, 4000, 1767346800000, 1767347000000, 4000, 'EVDisconnected', NULL, 'queued', 0),
    (1, 5, 5, 'sim/CP1', 1, 'TAG5', 1767347100000, 4000, 'queued', NULL, NULL, NULL, 1767347160000, 4100, 1767347160000, NULL, NULL, NULL, NULL, 'none', 0),
    (3, 1, 1, 'sim/CP9', 1, 'TAG9', 1767340800000, 0, 'dead', NULL, NULL, NULL, 1767340800000, 10, 1767340800000, 1767342600000, 10, 'Other', NULL, 'dead', 0);

-- The first had been a dead letter before.
INSERT INTO queue (charge_point, sequence, kind, transaction_number, payload, attempts, not_before_ms,
    sampled_ms, history) VALUES
    (1, 21, 'meter_values', 4, CAST('[{"timestamp":"2026-01-02T09:40:00.000Z","sampledValue":[{"value":"3700","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 1, 1767347001000, 1767346800000, '[{"attempt":1,"at_ms":1767346800000,"reason":"InternalError: no database"},{"attempt":2,"at_ms":1767346860000,"reason":"InternalError: no database"},{"attempt":3,"at_ms":1767346920000,"reason":"InternalError: no database"},{"attempt":1,"at_ms":1767347000000,"reason":"no answer in time"}]'),
    (1, 22, 'stop', 4, CAST('' AS BLOB), 0, NULL, 0, NULL),
    (1, 23, 'start', 5, CAST('' AS BLOB), 0, NULL, 0, NULL),
    (1, 24, 'meter_values', 5, CAST('[{"timestamp":"2026-01-02T09:46:00.000Z","sampledValue":[{"value":"4100","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 0, NULL, 1767347160000, NULL);

INSERT INTO dead_letters (id, charge_point, sequence, kind, transaction_number, payload, attempts,
    sampled_ms, at_ms, reason, history) VALUES
    (3, 1, 5, 'start', 2, CAST('' AS BLOB), 3, 0, 1767342780000, 'InternalError: no database', '[{"attempt":1,"at_ms":1767342660000,"reason":"InternalError: no database"},{"attempt":2,"at_ms":1767342720000,"reason":"InternalError: no database"},{"attempt":3,"at_ms":1767342780000,"reason":"InternalError: no database"}]'),
    (4, 1, 6, 'meter_values', 2, CAST('[{"timestamp":"2026-01-02T08:40:00.000Z","sampledValue":[{"value":"2500","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 3, 1767343200000, 1767343380000, 'InternalError: it''s still gone', '[{"attempt":1,"at_ms":1767343260000,"reason":"InternalError: it''s still gone"},{"attempt":2,"at_ms":1767343320000,"reason":"InternalError: it''s still gone"},{"attempt":3,"at_ms":1767343380000,"reason":"InternalError: it''s still gone"}]'),
    (7, 3, 1, 'start', 1, CAST('' AS BLOB), 3, 0, 1767340980000, 'NotSupported: ', '[{"attempt":1,"at_ms":1767340860000,"reason":"NotSupported: "},{"attempt":2,"at_ms":1767340920000,"reason":"NotSupported: "},{"attempt":3,"at_ms":1767340980000,"reason":"NotSupported: "}]'),
    (8, 3, 2, 'stop', 1, CAST('' AS BLOB), 3, 0, 1767342780000, 'NotSupported: ', '[{"attempt":1,"at_ms":1767342660000,"reason":"NotSupported: "},{"attempt":2,"at_ms":1767342720000,"reason":"NotSupported: "},{"attempt":3,"at_ms":1767342780000,"reason":"NotSupported: "}]'),
    (9, 1, 11, 'stop', 3, CAST('[{"timestamp":"2026-01-02T09:00:00.000Z","sampledValue":[{"value":"3000","context":"Transaction.Begin","measurand":"Energy.Active.Import.Register","unit":"Wh"}]},{"timestamp":"2026-01-02T09:30:00.000Z","sampledValue":[{"value":"3500","context":"Transaction.End","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]' AS BLOB), 3, 0, 1767346500000, 'no answer in time', '[{"attempt":1,"at_ms":1767346140000,"reason":"no answer in time"},{"attempt":2,"at_ms":1767346200000,"reason":"no answer in time"},{"attempt":3,"at_ms":1767346260000,"reason":"no answer in time"},{"attempt":1,"at_ms":1767346200000,"reason":"no answer in time"},{"attempt":2,"at_ms":1767346260000,"reason":"no answer in time"},{"attempt":3,"at_ms":1767346320000,"reason":"no answer in time"},{"attempt":1,"at_ms":1767346380000,"reason":"no answer in time"},{"attempt":2,"at_ms":1767346440000,"reason":"no answer in time"},{"attempt":3,"at_ms":1767346500000,"reason":"no answer in time"}]');

INSERT INTO transaction_samples (charge_point, transaction_number, document) VALUES
    (1, 5, '[[1767347160000,"Sample.Periodic",[["energy_wh",4100,0]]]]');
