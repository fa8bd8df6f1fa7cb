"""Nothing is visible before it is durable, and nothing that was visible is forgotten by a restart."""

from collections import defaultdict, deque

import msgspec

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.model.state import dump
from tests.simulation.invariants import DURABLE, KEPT


class Durability:
    """Compares what charge points are with what was let go of them, and with what is loaded.

    Args:
        watch: whose concern this is.
    """

    def __init__(self, watch):
        self._watch = watch
        self._visible = {}
        """By charge point: how it was at the end of the newest turn of which anything was let go."""
        self._turns = defaultdict(deque)
        """By charge point: (token, how it was) of the turns behind that, which nobody has seen yet."""

    def turn_ended(self, key, token):
        self._turns[key].append((token, snapshot(token.binding.charge_point)))

    def about_to_show(self, identity, binding):
        """Something leaves the gateway for a charge point: what that has become was submitted before."""
        if binding is None or binding.backlog is not None:
            return
        now = snapshot(binding.charge_point)
        turns = self._turns[binding.key]
        latest = turns[-1][1] if turns else self._visible[binding.key]
        difference = _difference(latest, now)
        self._watch.require(DURABLE, identity, difference == "", f"unsaved: {difference}")

    def turn_durable(self, token):
        turns = self._turns[token.binding.key] if hasattr(token, "binding") else None
        while turns:
            past, image = turns.popleft()
            self._visible[token.binding.key] = image
            if past is token:
                break

    def turns_failed(self, tokens):
        failed = {id(token) for token in tokens}
        for turns in self._turns.values():
            kept = [turn for turn in turns if id(turn[0]) not in failed]
            turns.clear()
            turns.extend(kept)

    def taken_up(self, key, charge_point):
        """A new process has loaded a charge point."""
        loaded = snapshot(charge_point)
        identity = charge_point.settings.identity
        candidates = [self._visible[key]] if key in self._visible else []
        candidates += [image for _, image in self._turns.pop(key, ())]
        if candidates:
            differences = [_difference(candidate, loaded) for candidate in candidates]
            text = f"what is stored is not what was: {differences[-1]}"
            self._watch.require(KEPT, identity, "" in differences, text)
        self._visible[key] = loaded


def snapshot(charge_point: VirtualChargePoint):
    """Return all that must outlive the process."""
    return (
        dump(charge_point.state),
        dict(charge_point.configuration),
        charge_point.profiles,
        charge_point.next_transaction,
        charge_point.running,
        charge_point.samples,
        tuple(charge_point.queue),
    )


_PARTS = ("state", "configuration", "profiles", "next transaction", "running", "samples", "queue")


def _difference(was, now):
    """Say what differs, in short; empty if nothing does."""
    for part, one, other in zip(_PARTS, was, now, strict=True):
        if part == "queue":
            # The head of it: how much of it is in memory hangs on what has been read.
            shorter = min(len(one), len(other))
            one, other = one[:shorter], other[:shorter]  # noqa: PLW2901
        if one != other:
            if part == "state":
                return _in_state(msgspec.json.decode(one), msgspec.json.decode(other))
            return f"{part}: {str(one)[:600]} became {str(other)[:600]}"
    return ""


def _in_state(was, now):
    names = [name for name in was | now if was.get(name) != now.get(name)]
    return "; ".join(f"{name}: {was.get(name)} became {now.get(name)}" for name in names)[:1200]
