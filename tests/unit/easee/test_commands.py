"""What commands become at Easee, by each way in."""

from collections.abc import Sequence

import pytest

from chargebridge.chargers.easee.twin.commands import (
    BusCommand,
    NotPossibleError,
    RestCall,
    Step,
    confirmed_by_observations,
    steps_for,
)
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Running, Seen, TwinRecord
from chargebridge.chargers.easee.twin.twin import CAPABILITIES, Twin
from chargebridge.chargers.model import (
    Authorize,
    Capability,
    ChargerCommand,
    ClearCache,
    Configure,
    EndSession,
    KeepList,
    OverrideSchedule,
    Plan,
    PlanPeriod,
    Reboot,
    SetAvailable,
    SetLimit,
    StorePlan,
    Unlock,
    Withdraw,
)

pytestmark = pytest.mark.unit

NOW = 1_767_225_600_000
HEAD = {"number": 1, "expires_ms": NOW + 60_000}
BASE = "/api/chargers/EH123456"


def twin(running: int | None = None, **seen: str) -> Twin:
    record = TwinRecord()
    for name, value in seen.items():
        record.seen[Observation[name]] = Seen(NOW, value)
    if running is not None:
        record.running = Running(running, NOW, 0, "TAG", reported=True)
    return Twin("EH123456", record)


def orders(command: ChargerCommand, of: Twin | None = None, *, bus: bool = False) -> Sequence[Step]:
    return steps_for(command, of or twin(), NOW, bus=bus, authorize_status=42)


def post(path: str, body: object = None) -> tuple[RestCall]:
    return (RestCall("POST", f"{BASE}/{path}", body),)


class TestByAccount:
    """REST alone."""

    def test_authorize_starts_and_withdraw_stops(self) -> None:
        assert orders(Authorize(id_tag="T", accepted=True, **HEAD)) == post("commands/start_charging")
        assert orders(Withdraw(**HEAD)) == post("commands/stop_charging")

    def test_a_refusal_cannot_be_shown(self) -> None:
        assert orders(Authorize(id_tag="T", accepted=False, **HEAD)) == ()

    def test_a_withdrawal_does_not_end_a_session_that_has_begun(self) -> None:
        assert orders(Withdraw(**HEAD), twin(running=7)) == ()

    def test_end_session_stops_that_session_only(self) -> None:
        assert orders(EndSession(session=7, **HEAD), twin(running=7)) == post("commands/stop_charging")
        assert orders(EndSession(session=7, **HEAD), twin(running=8)) == ()
        assert orders(EndSession(session=7, **HEAD)) == ()

    def test_where_stopping_does_nothing_it_pauses(self) -> None:
        free = twin(running=7, AUTHORIZATION_REQUIRED="0")
        assert orders(EndSession(session=7, **HEAD), free) == post("commands/pause_charging")

    def test_availability_reboot_and_override(self) -> None:
        assert orders(SetAvailable(available=False, **HEAD)) == post("settings", {"enabled": False})
        assert orders(Reboot(**HEAD)) == post("commands/reboot")
        assert orders(OverrideSchedule(**HEAD)) == post("commands/override_schedule")

    @pytest.mark.parametrize(
        ("limit_ma", "until_ms", "amps", "minutes"),
        [
            (10_000, None, 10, 0),
            (15_900, NOW + 1, 15, 1),
            (15_900, NOW + 90_000, 15, 2),
            (0, None, 0, 0),
            (80_000, None, 32, 0),
            (None, None, 32, 0),
        ],
    )
    def test_limits_are_whole_amperes_for_whole_minutes(
        self, limit_ma: int | None, until_ms: int | None, amps: int, minutes: int
    ) -> None:
        command = SetLimit(limit_ma=limit_ma, until_ms=until_ms, **HEAD)
        body = {"amps": amps, "minutes": minutes}
        assert orders(command) == post("commands/set_dynamic_charger_current", body)

    def test_resume_charging_is_never_used(self) -> None:
        assert "resume" not in repr(orders(SetLimit(limit_ma=None, **HEAD)))

    def test_a_plan_that_a_week_can_say_is_stored_and_another_is_refused(self) -> None:
        plan = Plan(start_ms=0, periods=(PlanPeriod(0, 10_000),))
        ((call),) = orders(StorePlan(plan=plan, **HEAD))
        assert isinstance(call, RestCall)
        assert (call.method, call.path) == ("POST", f"{BASE}/weekly_charge_plan")
        assert orders(StorePlan(plan=None, **HEAD)) == (RestCall("DELETE", f"{BASE}/weekly_charge_plan"),)
        once = Plan(start_ms=0, periods=(PlanPeriod(0, 10_000), PlanPeriod(60, 6_000)))
        with pytest.raises(NotPossibleError, match="weekly plans"):
            orders(StorePlan(plan=once, **HEAD))

    def test_only_settings_that_differ_are_written(self) -> None:
        kept = twin(
            AUTHORIZATION_REQUIRED="1",
            LOCAL_AUTHORIZE_OFFLINE_ENABLED="0",
            ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID="0",
        )
        command = Configure(authorization_required=True, authorize_offline=True, **HEAD)
        assert orders(command, kept) == post("settings", {"localAuthorizeOfflineEnabled": True})
        kept.record.seen[Observation.LOCAL_AUTHORIZE_OFFLINE_ENABLED] = Seen(NOW, "1")
        assert orders(command, kept) == ()

    def test_settings_that_nobody_has_asked_for_stay_as_they_are(self) -> None:
        free = twin(AUTHORIZATION_REQUIRED="0", ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID="1")
        assert orders(Configure(**HEAD), free) == ()
        assert orders(Configure(allow_unknown_offline=False, **HEAD), free) == post(
            "settings", {"allowOfflineTxForUnknownId": False}
        )


class TestByOperator:
    """The bus, and REST for what has no documented command there."""

    @pytest.mark.parametrize(
        ("command", "telegram"),
        [
            (Authorize(id_tag="T", accepted=True, **HEAD), BusCommand(25, ("T", "42"))),
            (Authorize(id_tag="T", accepted=False, **HEAD), BusCommand(26, ("T", "0"))),
            (SetAvailable(available=True, **HEAD), BusCommand(29, ("true",))),
            (Reboot(**HEAD), BusCommand(1)),
            (SetLimit(limit_ma=8_000, until_ms=NOW + 120_000, **HEAD), BusCommand(48, ("8", "2"))),
        ],
    )
    def test_commands(self, command: ChargerCommand, telegram: BusCommand) -> None:
        assert orders(command, bus=True) == (telegram,)

    def test_ending_a_session_names_its_token(self) -> None:
        assert orders(EndSession(session=7, **HEAD), twin(running=7), bus=True) == (
            BusCommand(26, ("TAG", "0")),
        )
        free = twin(running=7, AUTHORIZATION_REQUIRED="0")
        assert orders(EndSession(session=7, **HEAD), free, bus=True) == (BusCommand(48, ("0", "0")),)

    def test_a_refused_token_ends_nobodys_session(self) -> None:
        assert orders(Authorize(id_tag="T", accepted=False, **HEAD), twin(running=7), bus=True) == ()

    def test_settings_and_overrides_go_by_rest(self) -> None:
        assert isinstance(orders(OverrideSchedule(**HEAD), bus=True)[0], RestCall)
        assert isinstance(orders(Configure(authorize_offline=True, **HEAD), bus=True)[0], RestCall)


@pytest.mark.parametrize(
    "command", [Unlock(**HEAD), ClearCache(**HEAD), KeepList(version=1, tokens=(), **HEAD)]
)
def test_what_nothing_is_documented_for_is_refused_and_no_capability(command: ChargerCommand) -> None:
    with pytest.raises(NotPossibleError):
        orders(command)
    assert CAPABILITIES.isdisjoint({Capability.UNLOCK, Capability.CACHE, Capability.LOCAL_LIST})


def test_what_the_charger_shows_counts_as_done() -> None:
    limit = SetLimit(limit_ma=8_000, **HEAD)
    assert confirmed_by_observations(limit, twin(DYNAMIC_CHARGER_CURRENT="8.0"), NOW)
    assert not confirmed_by_observations(limit, twin(DYNAMIC_CHARGER_CURRENT="8.0"), NOW + 1)
    assert not confirmed_by_observations(limit, twin(DYNAMIC_CHARGER_CURRENT="16"), NOW)
    assert confirmed_by_observations(SetAvailable(available=False, **HEAD), twin(IS_ENABLED="0"), NOW)
    assert confirmed_by_observations(Authorize(id_tag="T", accepted=True, **HEAD), twin(running=3), NOW)
    assert not confirmed_by_observations(Reboot(**HEAD), twin(), NOW)
