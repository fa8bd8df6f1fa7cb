"""The numbers of Easee's messages, against a library that others wrote: pyeasee, which Home Assistant uses.

The emulated cloud speaks by the same tables as the driver, so that it cannot notice a wrong number.
"""

import re

import pytest
from pyeasee.charger import REASON_FOR_NO_CURRENT, STATUS
from pyeasee.const import ChargerStreamData

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import CommandId, OpMode, ReasonForNoCurrent

pytestmark = pytest.mark.unit

SEEN_NOWHERE_ELSE = {Observation.CHARGING_SESSION_SIGNED}
OTHER_OBSERVATIONS = {
    Observation.SOFTWARE_RELEASE: "chargerFirmware",
    Observation.MAX_CURRENT_OFFLINE_FALLBACK_P1: "offlineMaxCircuitCurrentP1",
    Observation.MAX_CURRENT_OFFLINE_FALLBACK_P2: "offlineMaxCircuitCurrentP2",
    Observation.MAX_CURRENT_OFFLINE_FALLBACK_P3: "offlineMaxCircuitCurrentP3",
}
OTHER_MODES = {
    OpMode.OFFLINE_EXTENDED: "OFFLINE",
    OpMode.AWAITING_AUTHENTICATION: "AWAITING_AUTHORIZATION",
    OpMode.DEAUTHENTICATING: "DE_AUTHORIZING",
}
"""What pyeasee calls differently."""


def plain(name):
    """Return a name without its prefix, letter case, and what only one of both writes."""
    name = re.sub(r"^(state|config|schedule)_|DEPR[EI]CATED$", "", name)
    return name.replace("_", "").lower().replace("voltage", "volt").replace("to", "")


@pytest.mark.parametrize("observation", [one for one in Observation if one not in SEEN_NOWHERE_ELSE])
def test_an_observation_has_the_number_that_others_know_it_by(observation):
    expected = OTHER_OBSERVATIONS.get(observation, observation.name)
    assert plain(ChargerStreamData(observation.value).name) == plain(expected)


@pytest.mark.parametrize("mode", list(OpMode))
def test_an_op_mode_has_the_number_that_others_know_it_by(mode):
    assert plain(STATUS[mode.value]) == plain(OTHER_MODES.get(mode, mode.name))


def test_the_reasons_for_no_current_are_those_that_others_know():
    # They describe them in words, and do not know the last one.
    ours = {reason.value for reason in ReasonForNoCurrent} - {ReasonForNoCurrent.UNDEFINED_ERROR}
    assert ours == {number for number in REASON_FOR_NO_CURRENT if number is not None and number < 100}
    assert {
        ReasonForNoCurrent.WAITING_IN_QUEUE: "Waiting in queue",
        ReasonForNoCurrent.CHARGER_DISABLED: "Charger disabled",
        ReasonForNoCurrent.PENDING_AUTHORIZATION: "Pending auth",
        ReasonForNoCurrent.ERRATIC_EV: "EV erratic",
    }.items() <= REASON_FOR_NO_CURRENT.items()


def test_a_command_has_the_number_of_the_documentation():
    # Nobody else whose source is open sends commands by number.
    assert {command.name: command.value for command in CommandId} == {
        "REBOOT": 1,
        "POLL_SINGLE": 2,
        "POLL_ALL": 3,
        "UPGRADE_FIRMWARE": 4,
        "SET_SMART_CHARGING": 11,
        "SET_DYNAMIC_CURRENT_OFFLINE_FALLBACK": 21,
        "SET_DYNAMIC_CIRCUIT_CURRENT": 22,
        "ABORT_CHARGING": 23,
        "SET_MAX_CIRCUIT_CURRENT": 24,
        "AUTHORIZE_CHARGING": 25,
        "DEAUTHORIZE_CHARGING": 26,
        "SET_ENABLED": 29,
        "SET_LOCK_CABLE_PERMANENTLY": 30,
        "SET_LOCAL_AUTHORIZATION_REQUIRED": 33,
        "ENABLE_IDLE_CURRENT": 34,
        "SET_PHASE_MODE": 38,
        "SET_LED_STRIP_BRIGHTNESS": 40,
        "SET_MAX_CHARGER_CURRENT": 47,
        "SET_DYNAMIC_CHARGER_CURRENT": 48,
        "SET_CIRCUIT_RATED_CURRENT": 50,
        "ADD_SCHEDULE": 60,
        "CLEAR_SCHEDULE": 61,
        "OVERRIDE_SCHEDULE": 63,
    }
