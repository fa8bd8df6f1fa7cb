"""The power is cut at every step of a session, once with and once without what was on its way to the disk.

A step is every end of a turn, every commit (before and after), and every output that is let go. After each
cut the gateway starts again, the session goes on or has gone on, and in the end the account is right.
"""

import pytest

from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from tests.simulation.world import World

pytestmark = pytest.mark.simulation

MINUTE_S = 60


def a_car():
    return Car(battery_wh=60_000, charged_uj=20_000 * UJ_PER_WH, max_current_a=16)


class Story:
    """What people, car and central system do, by the minute, whatever becomes of the gateway."""

    def __init__(self, preset, configuration=None):
        self.world = World(1, 1, presets=(preset,), configuration=configuration)
        self.identity, self.serial = "CP001", "EH001"
        self._at_ms = self.world.timeline.now_ms
        self.steps = 0
        """In the story itself, before everything comes to rest."""

    def then(self, minutes, act):
        """Do this so many minutes after what was done before."""
        self._at_ms += round(minutes * MINUTE_S * 1000)
        self.world.timeline.at(self._at_ms, act)
        return self

    def charger(self, minutes, name, *arguments):
        return self.then(minutes, lambda: self.world.vendor.act(self.serial, name, *arguments))

    def plug_in(self, minutes):
        return self.then(minutes, lambda: self.world.vendor.act(self.serial, "plug_in", a_car()))

    def ask(self, minutes, action, **payload):
        return self.then(minutes, lambda: self.world.central.ask(self.identity, action, payload))

    def stop_remotely(self, minutes):
        def ask():
            running = self.world.central.open_transaction(self.identity)
            if running is not None:
                self.world.central.ask(self.identity, "RemoteStopTransaction", {"transactionId": running})

        return self.then(minutes, ask)

    def central_system(self, minutes, *, away):
        def go():
            if away:
                self.world.central.leave()
            else:
                self.world.central.away = False

        return self.then(minutes, go)

    def play(self):
        self.world.run((self._at_ms - self.world.timeline.now_ms) / 3_600_000 + 0.1)
        self.steps = self.world.steps
        self.world.come_to_rest(2)


def plug_first():
    story = Story("ocpp16").plug_in(1).charger(0.5, "present_token", "TAG1")
    return story.charger(12, "present_token", "TAG1").charger(1, "unplug")


def tag_first():
    story = Story("easee").charger(1, "present_token", "TAG1").plug_in(0.5)
    return story.charger(12, "unplug")


def remote():
    story = Story("easee-1.8").ask(1, "RemoteStartTransaction", idTag="REMOTE", connectorId=1).plug_in(0.5)
    return story.stop_remotely(12).charger(1, "unplug")


def free_charging():
    story = Story("easee", {"freecharging": "true", "rfidtagfreecharging": "FREECHARGE"})
    return story.plug_in(2).charger(12, "unplug")


def offline_start():
    story = Story("ocpp16").central_system(1, away=True).plug_in(1).charger(0.5, "present_token", "TAG1")
    return story.central_system(5, away=False).charger(15, "unplug")


def offline_whole():
    story = Story("easee").central_system(1, away=True).plug_in(1).charger(0.5, "present_token", "TAG1")
    return story.charger(10, "present_token", "TAG1").charger(1, "unplug").central_system(1, away=False)


def charger_offline_whole():
    """The charger's cloud is away too: it decides alone, and tells everything afterwards."""
    story = Story("easee").charger(3, "lose_cloud").plug_in(1).charger(0.5, "present_token", "TAG1")
    return story.charger(10, "present_token", "TAG1").charger(1, "unplug").charger(1, "regain_cloud")


def reset_inside():
    story = Story("ocpp16").plug_in(1).charger(0.5, "present_token", "TAG1")
    return story.ask(6, "Reset", type="Hard").charger(10, "unplug")


def power_loss_inside():
    story = Story("easee-1.8").plug_in(1).charger(0.5, "present_token", "TAG1")
    return story.charger(6, "power_cycle").charger(10, "unplug")


STORIES = [
    plug_first,
    tag_first,
    remote,
    free_charging,
    offline_start,
    offline_whole,
    charger_offline_whole,
    reset_inside,
    power_loss_inside,
]


@pytest.mark.parametrize("keeps", [0, 1], ids=["uncommitted lost", "uncommitted kept"])
@pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)
def test_the_power_may_be_cut_at_every_step(tell, keeps):
    undisturbed = tell()
    undisturbed.play()
    assert len(undisturbed.world.central.ledger.transactions()) == 1
    steps = undisturbed.steps
    assert steps > 40
    told = 0
    for step in range(1, steps + 1):
        story = tell()
        story.world.cut_at, story.world.keeps = step, keeps
        try:
            story.play()
        except AssertionError as error:
            error.add_note(f"the power was cut at step {step} of {steps}")
            for line in story.world.trace.of(story.identity):
                error.add_note(line)
            raise
        assert story.world.kills == 1
        told += len(story.world.central.ledger.transactions())
    # Who presents a token to a gateway that is gone is not served; all others are.
    assert told >= steps * 0.8
