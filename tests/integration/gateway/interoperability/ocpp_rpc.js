'use strict';
// A strict referee: `ocpp-rpc` checks every payload against the official schemas, `typed-ocpp` every whole frame, in
// both directions, and each result against its call.

const { RPCServer } = require('ocpp-rpc');
const { ACTIONS, PORT, answer, complain, obey } = require('./central_system.js');

const clients = new Map();

async function main() {
  // This version of OCPP alone: the others take seconds to load.
  const { OCPP16 } = await import(require.resolve('typed-ocpp/dist/ocpp16/index.js'));

  /** Return a judge of the frames of one connection. */
  function referee(identity) {
    const calls = new Map();
    return ({ message, outbound }) => {
      const frame = JSON.parse(message);
      const told = (errors) => complain(`${identity} ${outbound ? 'was told' : 'said'} ${message}: ${errors}`);
      if (!OCPP16.validate(frame)) {
        told(OCPP16.validate.errors);
        return;
      }
      const [, id] = frame;
      const key = (ours) => `${ours} ${id}`;
      if (OCPP16.isCall(frame)) {
        calls.set(key(outbound), frame);
      } else if (OCPP16.isCallResult(frame) && !OCPP16.checkCallResult(frame, calls.get(key(!outbound)))) {
        told(OCPP16.checkCallResult.errors);
      }
    };
  }

  const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode: true });
  server.auth((accept) => accept());
  server.on('client', (client) => {
    clients.set(client.identity, client);
    client.on('message', referee(client.identity));
    client.on('badMessage', ({ error }) => complain(`${client.identity}: ${error.message}`));
    client.on('strictValidationFailure', ({ error }) => complain(`${client.identity}: ${error.message}`));
    for (const action of ACTIONS) {
      client.handle(action, ({ params }) => answer(client.identity, action, params));
    }
  });
  obey((identity, action, payload) => clients.get(identity).call(action, payload));
  await server.listen(PORT, '127.0.0.1');
}

main();
