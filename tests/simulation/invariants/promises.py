"""Whatever a central system was told `Accepted` of is there after a restart."""

from collections import defaultdict

from chargebridge.chargepoint.configuration import configuration
from tests.simulation.invariants import KEPT


class Promises:
    """Notes what was accepted, and looks for it in what is loaded.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._world = watch.world
        self.of = defaultdict(dict)
        """By charge point: what its central system was told `Accepted`, by name."""

    def taken_up(self, charge_point):
        """A new process has loaded a charge point."""
        for name, value in self.of[charge_point.settings.identity].items():
            self._check(charge_point, name, value)

    def _check(self, charge_point, name, value):
        identity, require = charge_point.settings.identity, self._watch.require
        kind, _, which = name.partition(" ")
        match kind:
            case "key":
                now = configuration.text(charge_point, which)
                require(KEPT, identity, now == value, f"{which} is {now!r} and was set to {value!r}")
            case "profile":
                kept = {installed.profile.charging_profile_id for installed in charge_point.profiles}
                holds = (int(which) in kept) is value
                require(KEPT, identity, holds, f"profiles {kept}, not {name}: {value}")
            case "list":
                now = charge_point.state.list_version
                require(KEPT, identity, now == value, f"the list's version is {now}, not {value}")

    def boot_accepted(self, identity):
        """The interval of a boot answer overwrites what was written, unless it is a fixed one."""
        behaviour = self._world.process.bindings[identity].charge_point.settings.behaviour
        if behaviour.heartbeat_interval_s is None:
            self.of[identity].pop("key HeartbeatInterval", None)

    def heard(self, identity, frame):
        """Another change may be asked for: until it is answered, the old and the new may be true."""
        match frame:
            case [2, str(), str(action), dict(payload)] if action != "TriggerMessage":
                self._doubt(identity, action, payload)

    def _doubt(self, identity, action, payload):
        promised = self.of[identity]
        if action == "ClearChargingProfile":
            self._world.limit_asked(identity, None)
        elif action == "SetChargingProfile" and "csChargingProfiles" in payload:
            self._world.limit_asked(identity, payload["csChargingProfiles"].get("chargingSchedule", ""))
        doubted = {
            "ChangeConfiguration": f"key {payload.get('key')}",
            "SetChargingProfile": "profile ",
            "ClearChargingProfile": "profile ",
            "SendLocalList": "list ",
        }.get(action)
        for name in [name for name in promised if doubted is not None and name.startswith(doubted)]:
            del promised[name]

    def said(self, identity, frame):
        """An answer may be a promise."""
        asked = self._world.central.asked(frame[1])
        if asked is None or frame[0] != 3:
            return
        _, action, payload = asked
        promised, status = self.of[identity], frame[2].get("status")
        match action, status:
            case "ChangeConfiguration", "Accepted":
                promised[f"key {payload['key']}"] = payload["value"]
            case "SetChargingProfile", "Accepted":
                promised[f"profile {payload['csChargingProfiles']['chargingProfileId']}"] = True
                self._world.limit_accepted(identity, payload["csChargingProfiles"]["chargingSchedule"])
            case "ClearChargingProfile", "Accepted":
                promised["profile 1"] = False
                self._world.limit_accepted(identity, None)
            case "SendLocalList", "Accepted":
                promised["list "] = payload["listVersion"]
        # A change that was asked for twice, by a doubled frame or again, is answered each time.
