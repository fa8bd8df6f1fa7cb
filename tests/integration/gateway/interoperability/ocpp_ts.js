'use strict';

const { OcppServer } = require('ocpp-ts');
const { ACTIONS, PORT, answer, obey } = require('./central_system.js');

const clients = new Map();

const centralSystem = new OcppServer();
centralSystem.on('connection', (client) => {
  const identity = client.getCpId();
  clients.set(identity, client);
  for (const action of ACTIONS) {
    client.on(action, (request, respond) => respond(answer(identity, action, request)));
  }
});
obey((identity, action, payload) => clients.get(identity).callRequest(action, payload));
// The documentation knows a port alone, which is open to the network; the server hands on what Node takes.
centralSystem.listen({ port: PORT, host: '127.0.0.1' });
