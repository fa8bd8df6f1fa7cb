"""What a simulated charger decides by itself: free charging, tokens without its cloud, the lock."""

import pytest
from msgspec import structs

from chargebridge.chargers.model import (
    Authorize,
    ChargerState,
    ClearCache,
    Configure,
    EndSession,
    Fault,
    KeepList,
    ListedToken,
    Outcome,
    Reachable,
    Reboot,
    SessionEnd,
    SessionEnded,
    SessionStarted,
    SetAvailable,
    StateChanged,
    TokenPresented,
    Unlock,
)
from chargebridge.chargers.simulator.actions import view
from chargebridge.chargers.simulator.hardware.car import UJ_PER_WH, Car
from chargebridge.chargers.simulator.hardware.charger import NotPossibleError, SimulatedCharger
from chargebridge.chargers.simulator.hardware.record import ChargerSettings
from chargebridge.chargers.simulator.hardware.tokens import CACHED

pytestmark = pytest.mark.unit

T0 = 1_800_000_000_000
SECOND = 1000
MINUTE = 60_000
LATER = T0 + 10**9


def a_car() -> Car:
    return Car(battery_wh=60_000, charged_uj=20_000 * UJ_PER_WH)


def a_charger() -> SimulatedCharger:
    charger = SimulatedCharger.installed(ChargerSettings(serial="SIM00001"), T0)
    charger.take_events()
    return charger


def configure(charger: SimulatedCharger, number: int = 100, at_ms: int = T0, **rules: object) -> None:
    command = Configure(number=number, expires_ms=LATER, **rules)
    assert charger.carry_out(command, at_ms).outcome is Outcome.DONE


def authorize(
    charger: SimulatedCharger, number: int, id_tag: str, *, accepted: bool = True, at_ms: int = T0
) -> Outcome:
    command = Authorize(number=number, expires_ms=LATER, id_tag=id_tag, accepted=accepted)
    return charger.carry_out(command, at_ms).outcome


def end_session(charger: SimulatedCharger, number: int, at_ms: int, *, keep_locked: bool = False) -> None:
    command = EndSession(number=number, expires_ms=LATER, session=1, keep_locked=keep_locked)
    assert charger.carry_out(command, at_ms).outcome is Outcome.DONE


def keep_list(charger: SimulatedCharger, number: int, *tokens: ListedToken) -> None:
    command = KeepList(number=number, expires_ms=LATER, version=7, tokens=tokens)
    assert charger.carry_out(command, T0).outcome is Outcome.DONE


def running_tag(charger: SimulatedCharger) -> str | None:
    session = charger.record.session
    assert session is not None
    return session.id_tag


class TestFreeCharging:
    @pytest.mark.parametrize("tag", ["FREE", None])
    def test_a_car_that_is_plugged_in_charges_at_once(self, tag: str | None) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False, free_charging_tag=tag)
        charger.plug_in(a_car(), T0 + 1)
        assert charger.take_events() == [
            SessionStarted(at_ms=T0 + 1, session=1, id_tag=tag, register_wh=0),
            StateChanged(at_ms=T0 + 1, state=ChargerState.CHARGING),
        ]

    def test_a_session_without_a_tag_ends_without_one(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False)
        charger.plug_in(a_car(), T0 + 1)
        charger.unplug(T0 + 2)
        (ended,) = (event for event in charger.take_events() if isinstance(event, SessionEnded))
        assert (ended.id_tag, ended.reason) == (None, SessionEnd.EV_DISCONNECTED)

    def test_it_works_while_the_cloud_is_away(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False, free_charging_tag="FREE")
        charger.lose_cloud(T0)
        charger.plug_in(a_car(), T0 + 1)
        charger.regain_cloud(T0 + 2)
        assert charger.take_events() == [
            Reachable(at_ms=T0, reachable=False),
            Reachable(at_ms=T0 + 2, reachable=True),
            StateChanged(at_ms=T0 + 2, state=ChargerState.CHARGING),
            SessionStarted(at_ms=T0 + 1, session=1, id_tag="FREE", register_wh=0),
        ]

    def test_a_car_that_waits_charges_when_it_is_switched_on(self) -> None:
        charger = a_charger()
        charger.plug_in(a_car(), T0)
        configure(charger, at_ms=T0 + 5, authorization_required=False, free_charging_tag="FREE")
        assert (running_tag(charger), charger.state) == ("FREE", ChargerState.CHARGING)

    def test_a_session_that_was_ended_on_purpose_restarts_with_the_next_car_only(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False)
        charger.plug_in(a_car(), T0)
        end_session(charger, 2, T0 + 1)
        configure(charger, 3, T0 + 2, authorization_required=False)
        charger.advance(T0 + 60 * MINUTE)
        assert charger.state is ChargerState.AWAITING_TOKEN
        charger.unplug(T0 + 61 * MINUTE)
        charger.plug_in(a_car(), T0 + 62 * MINUTE)
        assert charger.state is ChargerState.CHARGING

    def test_it_goes_on_after_a_power_cut(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False, free_charging_tag="FREE")
        charger.plug_in(a_car(), T0)
        charger.power_cycle(T0)
        charger.advance(T0 + 30 * SECOND)
        assert charger.take_events()[-2:] == [
            SessionStarted(at_ms=T0 + 30 * SECOND, session=2, id_tag="FREE", register_wh=0),
            StateChanged(at_ms=T0 + 30 * SECOND, state=ChargerState.CHARGING),
        ]

    def test_a_charger_that_restarts_remembers_no_dismissal(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False, free_charging_tag="FREE")
        charger.plug_in(a_car(), T0)
        end_session(charger, 2, T0)
        assert charger.carry_out(Reboot(number=3, expires_ms=LATER), T0).outcome is Outcome.DONE
        charger.advance(T0 + MINUTE)
        assert running_tag(charger) == "FREE"

    def test_a_disabled_or_faulted_charger_charges_nobody(self) -> None:
        disabled, faulted = a_charger(), a_charger()
        disabled.carry_out(SetAvailable(number=1, expires_ms=LATER, available=False), T0)
        faulted.raise_fault(Fault.GROUND, T0)
        for charger in (disabled, faulted):
            configure(charger, authorization_required=False)
            charger.plug_in(a_car(), T0)
        assert (disabled.state, faulted.state) == (ChargerState.DISABLED, ChargerState.FAULTED)

    def test_a_car_authorized_before_charges_with_its_own_token(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False, free_charging_tag="FREE")
        authorize(charger, 2, "TAG00001")
        charger.plug_in(a_car(), T0)
        assert running_tag(charger) == "TAG00001"


class TestTokensWithoutTheCloud:
    def offline(self, charger: SimulatedCharger, *, plugged: bool = True) -> SimulatedCharger:
        if plugged:
            charger.plug_in(a_car(), T0)
        charger.lose_cloud(T0)
        charger.take_events()
        return charger

    def test_a_listed_token_starts_a_session_and_nothing_is_reported_of_the_reader(self) -> None:
        charger = a_charger()
        keep_list(charger, 1, ListedToken("Tag00001", accepted=True, expires_ms=T0 + 11))
        self.offline(charger).present_token("TAG00001", T0 + 10)
        charger.regain_cloud(T0 + 20)
        assert charger.take_events() == [
            Reachable(at_ms=T0 + 20, reachable=True),
            StateChanged(at_ms=T0 + 20, state=ChargerState.CHARGING),
            SessionStarted(at_ms=T0 + 10, session=1, id_tag="TAG00001", register_wh=0),
        ]

    @pytest.mark.parametrize(
        ("listed", "why"),
        [
            (ListedToken("TAG00001", accepted=False), "its local list refuses the token"),
            (ListedToken("TAG00001", accepted=True, expires_ms=T0 + 10), "the token has expired"),
        ],
    )
    def test_what_the_list_refuses_never_starts(self, listed: ListedToken, why: str) -> None:
        charger = a_charger()
        authorize(charger, 1, "TAG00001", at_ms=T0)
        charger.record.authorization = None
        keep_list(charger, 2, listed)
        configure(charger, 3, allow_unknown_offline=True)
        with pytest.raises(NotPossibleError, match=f"the charger's cloud cannot be reached, and {why}"):
            self.offline(charger).present_token("tag00001", T0 + 10)
        assert charger.state is ChargerState.AWAITING_TOKEN

    def test_a_token_that_was_accepted_before_starts_a_session(self) -> None:
        charger = a_charger()
        charger.plug_in(a_car(), T0)
        authorize(charger, 1, "TAG00001")
        end_session(charger, 2, T0)
        charger.unplug(T0)
        self.offline(charger).present_token("tag00001", T0 + 1)
        assert charger.state is ChargerState.CHARGING

    def test_a_token_in_the_cache_of_a_new_charger_starts_a_session(self) -> None:
        settings = ChargerSettings(serial="SIM00001", cached_tokens=("TAG00001", "TAG00002"))
        charger = SimulatedCharger.installed(settings, T0)
        self.offline(charger).present_token("tag00002", T0 + 1)
        assert running_tag(charger) == "tag00002"

    def test_the_first_tokens_of_a_cache_do_not_come_back(self) -> None:
        settings = ChargerSettings(serial="SIM00001", cached_tokens=("TAG00001",))
        charger = SimulatedCharger.installed(settings, T0)
        charger.carry_out(ClearCache(number=1, expires_ms=LATER), T0)
        charger.rebuild(structs.replace(settings, phases=1), T0)
        with pytest.raises(NotPossibleError, match="it does not know the token"):
            self.offline(charger).present_token("TAG00001", T0 + 1)

    @pytest.mark.parametrize("forgetting", ["refused later", "cache cleared", "pushed out"])
    def test_a_token_that_is_no_longer_in_the_cache_does_not(self, forgetting: str) -> None:
        charger = a_charger()
        authorize(charger, 1, "TAG00001")
        match forgetting:
            case "refused later":
                authorize(charger, 2, "tag00001", accepted=False)
            case "cache cleared":
                charger.carry_out(ClearCache(number=2, expires_ms=LATER), T0)
            case _:
                for number in range(CACHED):
                    authorize(charger, 2 + number, f"OTHER{number}")
        charger.record.authorization = None
        with pytest.raises(NotPossibleError, match="it does not know the token"):
            self.offline(charger).present_token("TAG00001", T0 + 1)

    def test_the_cache_holds_the_fifty_tokens_accepted_last(self) -> None:
        charger = a_charger()
        for number in range(51):
            authorize(charger, number, f"TAG{number}")
        authorize(charger, 51, "TAG1")
        assert len(charger.record.cache) == 50
        assert (charger.record.cache[0], charger.record.cache[-1]) == ("TAG2", "TAG1")

    def test_an_unknown_token_starts_a_session_only_where_that_is_allowed(self) -> None:
        strict, lenient = a_charger(), a_charger()
        configure(lenient, allow_unknown_offline=True)
        with pytest.raises(NotPossibleError, match="it does not know the token"):
            self.offline(strict).present_token("TAG00009", T0 + 1)
        self.offline(lenient).present_token("TAG00009", T0 + 1)
        assert running_tag(lenient) == "TAG00009"

    def test_a_known_token_starts_nothing_where_the_charger_must_not_decide(self) -> None:
        charger = a_charger()
        keep_list(charger, 1, ListedToken("LISTED", accepted=True))
        authorize(charger, 2, "CACHED")
        charger.record.authorization = None
        configure(charger, 3, authorize_offline=False)
        self.offline(charger)
        for id_tag in ("LISTED", "CACHED"):
            with pytest.raises(NotPossibleError, match="it must not decide about tokens by itself"):
                charger.present_token(id_tag, T0 + 1)

    def test_a_token_before_the_car_waits_for_it(self) -> None:
        charger = a_charger()
        configure(charger, allow_unknown_offline=True)
        self.offline(charger, plugged=False).present_token("TAG00001", T0 + 1)
        charger.plug_in(a_car(), T0 + MINUTE)
        assert running_tag(charger) == "TAG00001"

    def test_the_same_token_ends_the_session_and_another_does_not(self) -> None:
        charger = a_charger()
        charger.plug_in(a_car(), T0)
        authorize(charger, 1, "TAG00001")
        charger.lose_cloud(T0)
        charger.take_events()
        with pytest.raises(NotPossibleError, match="the session began with another token"):
            charger.present_token("TAG00002", T0 + 1)
        charger.present_token("tag00001", T0 + 2)
        assert charger.state is ChargerState.AWAITING_TOKEN
        charger.regain_cloud(T0 + 3)
        ended = charger.take_events()[-1]
        assert isinstance(ended, SessionEnded)
        assert (ended.at_ms, ended.reason) == (T0 + 2, SessionEnd.OTHER)

    def test_a_session_ended_by_its_token_is_followed_by_no_free_one(self) -> None:
        charger = a_charger()
        configure(charger, authorization_required=False, free_charging_tag="FREE")
        self.offline(charger).present_token("FREE", T0 + 1)
        assert charger.state is ChargerState.AWAITING_TOKEN

    def test_with_its_cloud_it_asks_whatever_it_knows(self) -> None:
        charger = a_charger()
        keep_list(charger, 1, ListedToken("TAG00001", accepted=True))
        charger.present_token("TAG00001", T0 + 1)
        assert charger.take_events() == [TokenPresented(at_ms=T0 + 1, id_tag="TAG00001")]

    def test_a_new_list_replaces_the_old_one(self) -> None:
        charger = a_charger()
        keep_list(charger, 1, ListedToken("A", accepted=True), ListedToken("B", accepted=True))
        assert view(charger)["local_list"] == {"version": 7, "length": 2}
        keep_list(charger, 2, ListedToken("B", accepted=True))
        assert self.offline(charger).reader_refuses("A") is not None
        assert charger.reader_refuses("B") is None


class TestLock:
    def charging(self) -> SimulatedCharger:
        charger = a_charger()
        charger.plug_in(a_car(), T0)
        authorize(charger, 1, "TAG00001")
        return charger

    def test_a_cable_may_stay_locked_after_the_session_until_it_is_unlocked(self) -> None:
        charger = self.charging()
        end_session(charger, 2, T0 + 1, keep_locked=True)
        with pytest.raises(NotPossibleError, match="locked the cable"):
            charger.unplug(T0 + 2, at_charger=True)
        charger.carry_out(Unlock(number=3, expires_ms=LATER), T0 + 3)
        charger.unplug(T0 + 4, at_charger=True)
        assert charger.state is ChargerState.DISCONNECTED

    def test_a_cable_that_stays_locked_comes_off_at_the_car(self) -> None:
        charger = self.charging()
        end_session(charger, 2, T0 + 1, keep_locked=True)
        charger.unplug(T0 + 2)
        assert charger.state is ChargerState.DISCONNECTED

    def test_keeping_locked_locks_nothing_that_was_unlocked(self) -> None:
        charger = self.charging()
        charger.carry_out(Unlock(number=2, expires_ms=LATER), T0)
        end_session(charger, 3, T0 + 1, keep_locked=True)
        assert charger.record.locked is False

    @pytest.mark.parametrize(("unlocks", "locked"), [(False, True), (True, False)])
    def test_pulled_at_the_car_the_cable_is_released_at_the_charger_where_configured(
        self, unlocks: bool, locked: bool
    ) -> None:
        charger = self.charging()
        configure(charger, unlock_when_unplugged=unlocks)
        charger.unplug(T0 + 1)
        assert charger.record.locked is locked


def test_the_view_shows_the_settings_it_charges_by() -> None:
    charger = a_charger()
    configure(charger, authorization_required=False, free_charging_tag="FREE", allow_unknown_offline=True)
    assert view(charger)["settings"] == {
        "authorization_required": False,
        "free_charging_tag": "FREE",
        "authorize_offline": True,
        "allow_unknown_offline": True,
        "end_when_unplugged": True,
        "unlock_when_unplugged": False,
    }


def test_a_charger_can_do_everything_but_unlock_without_a_lock() -> None:
    info = ChargerSettings(serial="SIM00001", rated_current_a=16, fixed_cable=True).info
    assert sorted(info.capabilities) == [
        "availability",
        "cache",
        "limit",
        "local_list",
        "override",
        "plan",
        "reboot",
        "settings",
        "temperature",
    ]
    assert info.max_current_a == 16
