"""What central system and operator do all day: starts and stops, limits, keys, lists, resets, letters."""

from itertools import count

from chargebridge.chargepoint.records import MessageKind, Settlement
from chargebridge.chargepoint.turn import Operation, OperatorAsked
from chargebridge.clock import format_utc

_MEAN_S = 900.0
"""Seconds between two acts at one charge point, on average."""
_KEYS = (
    ("ConnectionTimeOut", ("30", "60", "120")),
    ("LocalPreAuthorize", ("true", "false")),
    ("AllowOfflineTxForUnknownId", ("true", "true", "false")),
    ("LocalAuthorizeOffline", ("true", "false")),
    ("HeartbeatInterval", ("180", "600")),
    ("TransactionMessageAttempts", ("3", "5")),
    ("TransactionMessageRetryInterval", ("10", "60")),
)


class Acts:
    """Whoever acts, acts by the dice.

    Args:
        world: upon which they act.
        random: their dice.
    """

    def __init__(self, world, random):
        self._world = world
        self._random = random
        self._versions = count(1)
        self._asks = count(1)

    def begin(self, until_ms):
        for identity, _ in self._world.outlets():
            self._next(identity, until_ms)

    def _next(self, identity, until_ms):
        def act():
            self._act(identity)
            self._next(identity, until_ms)

        at_ms = self._world.timeline.now_ms + round(self._random.expovariate(1 / _MEAN_S) * 1000)
        if at_ms < until_ms:
            self._world.timeline.at(at_ms, act)

    def _act(self, identity):
        random, central = self._random, self._world.central
        match random.randrange(18):
            case 0 | 1:
                central.ask(identity, "RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1})
            case 2:
                running = central.open_transaction(identity)
                if running is not None:
                    central.ask(identity, "RemoteStopTransaction", {"transactionId": running})
            case 3 | 4:
                self.limit(identity, random.choice((0, 6, 8, 10, 16, 20)))
            case 5:
                central.ask(identity, "ClearChargingProfile", {})
            case 6 | 7:
                key, values = random.choice(_KEYS)
                central.ask(identity, "ChangeConfiguration", {"key": key, "value": random.choice(values)})
            case 8:
                self._send_list(identity)
            case 9:
                wanted = random.choice(("Operative", "Operative", "Inoperative"))
                central.ask(
                    identity, "ChangeAvailability", {"connectorId": random.choice((0, 1)), "type": wanted}
                )
            case 10 if random.random() < 0.3:
                central.ask(identity, "Reset", {"type": random.choice(("Soft", "Hard"))})
            case 11 if random.random() < 0.3:
                central.ask(identity, "UnlockConnector", {"connectorId": 1})
            case 12:
                trigger = random.choice(
                    ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification")
                )
                central.ask(identity, "TriggerMessage", {"requestedMessage": trigger})
            case 13:
                central.ask(identity, "GetConfiguration", {})
            case 14:
                central.ask(identity, "GetCompositeSchedule", {"connectorId": 1, "duration": 3600})
            case 15 if random.random() < 0.2:
                central.ask(identity, "ClearCache", {})
            case 15 if random.random() < 0.5 and self._world.redelivers:
                self._operate(identity, OperatorAsked(next(self._asks), Operation.REDELIVER))
            case 15:
                settlement = Settlement("the operator", "paid by hand")
                self._operate(
                    identity, OperatorAsked(next(self._asks), Operation.SETTLE, settlement=settlement)
                )
            case 16 if random.random() < 0.5:
                self._operate(identity, OperatorAsked(next(self._asks), Operation.STOP_TRANSACTION))
            case 16 if random.random() < 0.2:
                self._set_aside(identity)
            case 17 if random.random() < 0.3:
                wanted = random.choice((Operation.RESET, Operation.UNLOCK, Operation.BOOT))
                self._operate(identity, OperatorAsked(next(self._asks), wanted))

    def limit(self, identity, limit_a):
        """Install a profile that gives this limit now, and another one in half an hour."""
        schedule = {
            "chargingRateUnit": "A",
            "startSchedule": format_utc(self._world.timeline.now_ms - 60_000),
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": limit_a},
                {"startPeriod": 1800, "limit": 13},
            ],
        }
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": schedule,
        }
        self._world.central.ask(
            identity, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}
        )

    def _set_aside(self, identity):
        """The operator sets a queued message aside, whatever it is; the central system never gets it so."""
        process = self._world.process
        binding = process.bindings.get(identity) if process is not None else None
        if binding is None or not binding.charge_point.queue:
            return
        message = self._random.choice(binding.charge_point.queue)
        of = binding.charge_point.transactions[message.transaction]
        start = (of.connector, of.id_tag, of.meter_start_wh, of.started_ms)
        self._world.audit.set_aside(identity, start, of_stop=message.kind is MessageKind.STOP)
        why = Settlement("the operator", "it is in the way")
        asked = OperatorAsked(
            next(self._asks),
            Operation.SET_ASIDE,
            settlement=why,
            sequence=message.sequence,
            fingerprint=message.fingerprint,
        )
        self._operate(identity, asked)

    def _operate(self, identity, asked):
        """The operator asks for something by the API, while everything goes on."""
        process = self._world.process
        if process is not None and identity in process.bindings:
            if asked.operation in {Operation.REDELIVER, Operation.SETTLE}:
                self._world.audit.redelivered(identity)
            elif asked.operation is Operation.BOOT:
                self._world.watch.conversation.operator_boots(identity)
            self._world.trace.add(identity, "##", f"the operator: {asked.operation}")
            process.runtime.turn(process.bindings[identity], asked)

    def _send_list(self, identity):
        tags = [f"TAG{self._random.randrange(1, 501):05d}" for _ in range(20)]
        entries = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in dict.fromkeys(tags)]
        self._world.central.ask(
            identity,
            "SendLocalList",
            {"listVersion": next(self._versions), "updateType": "Full", "localAuthorizationList": entries},
        )
