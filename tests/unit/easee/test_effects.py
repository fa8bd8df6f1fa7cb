"""Of which commands a charger shows the effect, after an answer that says nothing; and the limit it shows."""

import json

import pytest

from chargebridge.chargers.easee.twin.effects import shown_by, shows_effect
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Running, Seen, TwinRecord
from chargebridge.chargers.easee.twin.twin import Twin
from chargebridge.chargers.model import (
    Authorize,
    Configure,
    EndSession,
    KeepList,
    OverrideSchedule,
    Reboot,
    SetAvailable,
    SetLimit,
    Withdraw,
)

pytestmark = pytest.mark.unit

NOW = 1_767_571_200_000  # Monday, 2026-01-05T00:00Z
HEAD = {"number": 1, "expires_ms": NOW + 60_000}
HOUR_MS = 3_600_000


def twin(running: int | None = None, *, reported: bool = True, **seen: str) -> Twin:
    record = TwinRecord()
    for name, value in seen.items():
        record.seen[Observation[name]] = Seen(NOW, value)
    if running is not None:
        record.running = Running(running, NOW - 1000, 0, "TAG", reported=reported)
    return Twin("EH123456", record)


SETTINGS = {
    "AUTHORIZATION_REQUIRED": "1",
    "LOCAL_AUTHORIZE_OFFLINE_ENABLED": "1",
    "ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID": "0",
}


@pytest.mark.parametrize(
    ("command", "of", "shown"),
    [
        (SetLimit(limit_ma=10_900, **HEAD), twin(DYNAMIC_CHARGER_CURRENT="10"), True),
        (SetLimit(limit_ma=10_900, **HEAD), twin(DYNAMIC_CHARGER_CURRENT="32"), False),
        (SetLimit(limit_ma=10_900, **HEAD), twin(), False),
        (SetLimit(limit_ma=None, **HEAD), twin(DYNAMIC_CHARGER_CURRENT="32"), True),
        (SetAvailable(available=True, **HEAD), twin(IS_ENABLED="1"), True),
        (SetAvailable(available=True, **HEAD), twin(), False),
        (SetAvailable(available=False, **HEAD), twin(IS_ENABLED="1"), False),
        (Configure(authorization_required=True, **HEAD), twin(**SETTINGS), True),
        (Configure(allow_unknown_offline=True, **HEAD), twin(**SETTINGS), False),
        (Configure(authorization_required=True, **HEAD), twin(), False),
        (Authorize(id_tag="T", accepted=True, **HEAD), twin(7, CHARGER_OP_MODE="3"), True),
        (Authorize(id_tag="T", accepted=True, **HEAD), twin(AUTHORIZATION_REQUIRED="0"), True),
        (Authorize(id_tag="T", accepted=True, **HEAD), twin(CHARGER_OP_MODE="2"), False),
        (
            Authorize(id_tag="T", accepted=True, **HEAD),
            twin(7, reported=False, CHARGER_OP_MODE="2"),
            False,
        ),
        (
            Authorize(id_tag="T", accepted=True, **HEAD),
            twin(7, CHARGER_OP_MODE="2", REASON_FOR_NO_CURRENT="55"),
            False,
        ),
        (EndSession(session=7, **HEAD), twin(), True),
        (EndSession(session=7, **HEAD), twin(8, CHARGER_OP_MODE="3"), True),
        (EndSession(session=7, **HEAD), twin(7, CHARGER_OP_MODE="3"), False),
        (EndSession(session=7, **HEAD), twin(7), False),
        (EndSession(session=7, **HEAD), twin(7, CHARGER_OP_MODE="1"), True),
        (EndSession(session=7, **HEAD), twin(7, CHARGER_OP_MODE="7"), True),
        (EndSession(session=7, **HEAD), twin(7, CHARGER_OP_MODE="2", REASON_FOR_NO_CURRENT="55"), True),
        (EndSession(session=7, **HEAD), twin(7, CHARGER_OP_MODE="2", REASON_FOR_NO_CURRENT="52"), False),
        (
            EndSession(session=7, **HEAD),
            twin(7, CHARGER_OP_MODE="2", AUTHORIZATION_REQUIRED="0", DYNAMIC_CHARGER_CURRENT="0"),
            True,
        ),
        (Withdraw(**HEAD), twin(CHARGER_OP_MODE="1"), True),
        (Withdraw(**HEAD), twin(CHARGER_OP_MODE="2", REASON_FOR_NO_CURRENT="55"), True),
        (Withdraw(**HEAD), twin(7, CHARGER_OP_MODE="3"), False),
        (Withdraw(**HEAD), twin(), False),
        (OverrideSchedule(**HEAD), twin(7, CHARGER_OP_MODE="2", REASON_FOR_NO_CURRENT="54"), False),
        (OverrideSchedule(**HEAD), twin(7, CHARGER_OP_MODE="3", REASON_FOR_NO_CURRENT="76"), False),
        (OverrideSchedule(**HEAD), twin(7, CHARGER_OP_MODE="3", REASON_FOR_NO_CURRENT="0"), True),
        (OverrideSchedule(**HEAD), twin(CHARGER_OP_MODE="3", REASON_FOR_NO_CURRENT="0"), False),
        (Reboot(**HEAD), twin(SOFTWARE_RELEASE="317"), True),
        (Reboot(**HEAD), twin(), False),
    ],
)
def test_an_effect_is_shown(command, of, shown):
    assert shows_effect(command, of, NOW) is shown
    assert shown_by(command)


def test_a_boot_before_the_command_is_not_its_effect():
    assert not shows_effect(Reboot(**HEAD), twin(SOFTWARE_RELEASE="317"), NOW + 1)


def test_what_no_observation_shows_is_not_read():
    command = KeepList(version=1, tokens=(), **HEAD)
    assert not shown_by(command)
    assert not shows_effect(command, twin(), NOW)


NIGHTS = json.dumps(
    {
        "StartSchedule": "2026-01-05T00:00:00Z",
        "ProfileKind": "Recurring",
        "RecurrencyKind": "Daily",
        "Periods": [[0, 8], [6 * 3600, 0]],
    }
)


@pytest.mark.parametrize(
    ("seen", "limits_ma"),
    [
        ({}, (None, None)),
        ({"DYNAMIC_CHARGER_CURRENT": "16"}, (16_000, 16_000)),
        ({"DYNAMIC_CHARGER_CURRENT": "16", "MAX_CHARGER_CURRENT": "10.5"}, (10_500, 10_500)),
        ({"DYNAMIC_CHARGER_CURRENT": "16", "CIRCUIT_MAX_CURRENT_P1": "25"}, (16_000, 16_000)),
        ({"DYNAMIC_CHARGER_CURRENT": "16", "DYNAMIC_CIRCUIT_CURRENT_P1": "6"}, (6_000, 6_000)),
        ({"DYNAMIC_CHARGER_CURRENT": "16", "CHARGING_SCHEDULE": NIGHTS}, (8_000, 0)),
        ({"DYNAMIC_CHARGER_CURRENT": "7", "CHARGING_SCHEDULE": NIGHTS}, (7_000, 0)),
        ({"DYNAMIC_CHARGER_CURRENT": "16", "CHARGING_SCHEDULE": ""}, (16_000, 16_000)),
        ({"DYNAMIC_CHARGER_CURRENT": "16", "CHARGING_SCHEDULE": "nonsense"}, (None, None)),
    ],
)
def test_the_limit_shown_is_the_lowest_of_all(seen, limits_ma):
    shown = twin(**seen)
    assert (shown.limit_ma(NOW), shown.limit_ma(NOW + 7 * HOUR_MS)) == limits_ma


def test_a_charger_that_is_only_read_can_be_sent_nothing():
    info = Twin("EH123456", TwinRecord(), read_only=True).info
    assert info.read_only
    assert {one.value for one in info.capabilities} == {"temperature"}
    assert not twin().info.read_only
