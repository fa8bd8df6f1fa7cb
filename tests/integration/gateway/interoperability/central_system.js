'use strict';
// What each of these programs does, whichever library carries it: the answers to charge points, and commands for
// them. Lines of JSON on standard output say what was heard, lines on standard input what to send; the program ends
// with its standard input.

const readline = require('node:readline');

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const now = () => new Date().toISOString();
const verdict = (idTag) => ({ status: idTag === 'BLOCKED' ? 'Blocked' : 'Accepted' });

let lastTransaction = 4710;

const ANSWERS = {
  Authorize: ({ idTag }) => ({ idTagInfo: verdict(idTag) }),
  BootNotification: () => ({ status: 'Accepted', currentTime: now(), interval: 300 }),
  DataTransfer: () => ({ status: 'UnknownVendorId' }),
  DiagnosticsStatusNotification: () => ({}),
  FirmwareStatusNotification: () => ({}),
  Heartbeat: () => ({ currentTime: now() }),
  MeterValues: () => ({}),
  StartTransaction: ({ idTag }) => ({ transactionId: ++lastTransaction, idTagInfo: verdict(idTag) }),
  StatusNotification: () => ({}),
  StopTransaction: () => ({ idTagInfo: { status: 'Accepted' } }),
};

/** Return the answer to what the library handed over, and tell of it. */
function answer(identity, action, payload) {
  const answered = ANSWERS[action](payload);
  say({ heard: { identity, action, payload, answered } });
  return answered;
}

/** Tell of something wrong that nobody answered for. */
function complain(complaint) {
  say({ complaint });
}

/** Send what standard input asks for by `send(identity, action, payload)`, which returns a promise of the answer. */
function obey(send) {
  readline
    .createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const { number, identity, action, payload } = JSON.parse(line);
      try {
        say({ number, result: await send(identity, action, payload) });
      } catch (error) {
        say({ number, error: String(error?.message ?? error) });
      }
    })
    .on('close', () => process.exit(0));
}

module.exports = { ACTIONS: Object.keys(ANSWERS), PORT: Number(process.argv[2]), answer, complain, obey };
