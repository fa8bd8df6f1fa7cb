'use strict';

const { CentralSystem } = require('@voltbras/ts-ocpp');
const { PORT, answer, obey } = require('./central_system.js');

const ocppVersion = 'v1.6-json';

const centralSystem = new CentralSystem(
  PORT,
  ({ action, ocppVersion: _, ...payload }, { chargePointId }) => ({
    action,
    ocppVersion,
    ...answer(chargePointId, action, payload),
  }),
  { host: '127.0.0.1' },
);
obey(async (chargePointId, action, payload) => {
  const response = await centralSystem.sendRequest({ chargePointId, ocppVersion, action, payload });
  return response.unsafeCoerce();
});
