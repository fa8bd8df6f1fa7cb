"""Each check of the contract suite fails for a driver that breaks its sentence, and only for a reason."""

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import SkipTest

import msgspec
import pytest

from chargebridge.drivers import (
    ChargerCommand,
    ChargerEvent,
    ChargerInfo,
    CloudStatus,
    CommandOutcome,
    EndSession,
    Measured,
    Outcome,
    Quantity,
    Reachable,
    Reading,
    ReportSessions,
    SessionEnded,
    SessionStarted,
    SetLimit,
    StateChanged,
    TokenPresented,
)
from chargebridge.testing.contract import CHECKS, Charger, Check, ContractBroken, Rig
from tests.integration.contract.toy import Receipt, ToyCharger, ToyDriver, toy

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_driver_that_keeps_the_contract_passes(check: Check, run, tmp_path: Path) -> None:
    run(check.run(toy(ToyDriver), tmp_path))


class AnswersAnAuthorizationWhenItIsWatchedAnew(ToyDriver):
    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        if outcome.outcome is Outcome.DONE and not hasattr(self, "late"):
            self.late = serial, outcome
        else:
            super().ended(serial, outcome)

    def watch(self, serial: str) -> None:
        if hasattr(self, "late"):
            super().ended(*self.late)
        super().watch(serial)


def test_an_outcome_may_come_while_a_charger_is_introduced(tmp_path: Path) -> None:
    [check] = [check for check in CHECKS if check.name == "watch_repeats_what_is_not_acknowledged"]
    asyncio.run(check.run(toy(AnswersAnAuthorizationWhenItIsWatchedAnew), tmp_path))


# --- one broken driver for each way to break a sentence ----------------------------------------------


class TakesAnySettings(ToyDriver):
    def __init__(self, vendor, settings, sink) -> None:
        super().__init__(vendor, {"account": "toy"}, sink)


class DoesNotNameTheKey(ToyDriver):
    def __init__(self, vendor, settings, sink) -> None:
        if settings != {"account": "toy"}:
            raise ValueError("something is wrong")
        super().__init__(vendor, settings, sink)


class RaisesKeyError(ToyDriver):
    def __init__(self, vendor, settings, sink) -> None:
        if settings != {"account": "toy"}:
            raise KeyError("account")
        super().__init__(vendor, settings, sink)


class RaisesForAbsence(ToyDriver):
    async def start(self) -> None:
        if not self.vendor.up:
            raise ConnectionError("the vendor is away")
        await super().start()


class WaitsForTheCloud(ToyDriver):
    async def start(self) -> None:
        await super().start()
        if not self.vendor.up:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        if self in self.vendor.drivers:
            await super().stop()


class GuessesReachable(ToyDriver):
    async def start(self) -> None:
        await super().start()
        for serial in self.watched:
            self.deliver(serial, Reachable(at_ms=0, reachable=True), None)


class DoesNotRefuseWithoutACloud(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if self.vendor.up:
            super().carry_out(serial, command)


class DoesNotStop(ToyDriver):
    async def stop(self) -> None:
        await super().stop()
        await asyncio.Event().wait()


class RaisesAtStop(ToyDriver):
    async def stop(self) -> None:
        await super().stop()
        raise RuntimeError("cannot stop")


class StaysConnectedAfterStop(ToyDriver):
    async def stop(self) -> None:
        """Go on."""


class DoesNotDescribeTheCharger(ToyDriver):
    def introduce(self, serial: str) -> None:
        sink, self.sink = self.sink, _Deaf(self.sink)
        super().introduce(serial)
        self.sink = sink


class _Deaf:
    def __init__(self, sink) -> None:
        self.charger_event = sink.charger_event
        self.command_outcome = sink.command_outcome
        self.cloud_connected = sink.cloud_connected
        self.cloud_disconnected = sink.cloud_disconnected

    def charger_known(self, info: ChargerInfo) -> None:
        """Drop it."""


class TellsTheStateFirst(ToyDriver):
    def introduce(self, serial: str) -> None:
        self.deliver(serial, self.vendor.chargers[serial].state, None)
        super().introduce(serial)


class IntroducesOnce(ToyDriver):
    def watch(self, serial: str) -> None:
        if self.running:
            self.watched[serial] = None
        else:
            super().watch(serial)


class KeepsAbsenceToItself(ToyDriver):
    def arrived(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if not isinstance(event, Reachable) or event.reachable:
            super().arrived(serial, event, receipt)


class TellsAbsenceLate(ToyDriver):
    absent: Reachable | None = None

    def arrived(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        super().arrived(serial, event, receipt)
        if isinstance(event, Reachable) and not event.reachable:
            self.absent = event
        elif isinstance(event, StateChanged) and self.absent is not None:
            super().arrived(serial, self.absent, None)


class DoesNotNoticeThatTheCloudIsAway(ToyDriver):
    def connection_went(self) -> None:
        """Notice nothing."""


class DoesNotComeBack(ToyDriver):
    def connection_came(self) -> None:
        if not getattr(self, "came", False):
            super().connection_came()
        self.came = True


class ForgetsWhatHappenedMeanwhile(ToyDriver):
    def connection_came(self) -> None:
        for charger in self.vendor.chargers.values():
            charger.kept.clear()
        super().connection_came()


class RepeatsNothing(ToyDriver):
    def unacknowledged(self, charger: ToyCharger) -> list[tuple[int, ChargerEvent]]:
        return []


class RepeatsBackwards(ToyDriver):
    def unacknowledged(self, charger: ToyCharger) -> list[tuple[int, ChargerEvent]]:
        return super().unacknowledged(charger)[::-1]


class RepeatsTheNewestOnly(ToyDriver):
    def unacknowledged(self, charger: ToyCharger) -> list[tuple[int, ChargerEvent]]:
        return super().unacknowledged(charger)[-1:]


class RepeatsBeforeTheState(ToyDriver):
    def introduce(self, serial: str) -> None:
        for number, event in self.unacknowledged(self.vendor.chargers[serial]):
            self.deliver(serial, event, (serial, number))
        super().introduce(serial)


class NeverForgets(ToyDriver):
    def acknowledge(self, receipt: object) -> None:
        """Keep it."""


class RaisesForASecondReceipt(ToyDriver):
    def acknowledge(self, receipt: object) -> None:
        serial, number = receipt
        del self.vendor.chargers[serial].kept[number]


class ForgetsWhatItDelivered(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        super().deliver(serial, event, receipt)
        if receipt is not None:
            super().acknowledge(receipt)


class GivesNoReceipt(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        super().deliver(serial, event, None)


class ForgetsAtStop(ToyDriver):
    async def stop(self) -> None:
        await super().stop()
        for charger in self.vendor.chargers.values():
            charger.kept.clear()


class MissesWhatHappenedWithoutIt(ToyDriver):
    async def start(self) -> None:
        for charger in self.vendor.chargers.values():
            charger.kept.clear()
        await super().start()


class ForgetsStartsAtStop(ToyDriver):
    async def stop(self) -> None:
        await super().stop()
        for charger in self.vendor.chargers.values():
            charger.kept = {
                number: event
                for number, event in charger.kept.items()
                if not isinstance(event, SessionStarted)
            }


class PresentsTokensAnew(ToyDriver):
    def unacknowledged(self, charger: ToyCharger) -> list[tuple[int, ChargerEvent]]:
        return [
            (
                number,
                msgspec.structs.replace(event, at_ms=charger.now_ms)
                if isinstance(event, TokenPresented)
                else event,
            )
            for number, event in super().unacknowledged(charger)
        ]


class ForgetsWhoWasAuthorized(ToyDriver):
    async def stop(self) -> None:
        await super().stop()
        for charger in self.vendor.chargers.values():
            for number, event in charger.kept.items():
                if isinstance(event, SessionStarted):
                    charger.kept[number] = msgspec.structs.replace(event, id_tag=None)


class ForgetsWhoseSessionItIs(ToyDriver):
    async def stop(self) -> None:
        await super().stop()
        for charger in self.vendor.chargers.values():
            if charger.session is not None:
                charger.session = msgspec.structs.replace(charger.session, id_tag=None)


class RoundsAtARestart(ToyDriver):
    def introduce(self, serial: str) -> None:
        charger = self.vendor.chargers[serial]
        for number, event in charger.kept.items():
            if isinstance(event, SessionEnded):
                charger.kept[number] = msgspec.structs.replace(event, register_wh=event.register_wh + 1)
        super().introduce(serial)


class IgnoresUnwatch(ToyDriver):
    def unwatch(self, serial: str) -> None:
        """Go on."""


class RaisesForAnUnknownSerial(ToyDriver):
    def watch(self, serial: str) -> None:
        super().watch(serial)
        self.vendor.chargers[serial]


class RaisesAtUnwatch(ToyDriver):
    def unwatch(self, serial: str) -> None:
        del self.watched[serial]


class DoesNotAnswerForAnUnknownSerial(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if serial in self.vendor.chargers:
            super().carry_out(serial, command)


class DoesItForAnUnknownSerial(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        super().carry_out(serial if serial in self.vendor.chargers else "T1", command)

    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        for unknown in ("NO-SUCH-CHARGER", serial):
            super().ended(unknown, outcome)


class BreaksAfterAnUnknownSerial(ToyDriver):
    def watch(self, serial: str) -> None:
        super().watch(serial)
        self.broken = serial not in self.vendor.chargers

    def arrived(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if not self.broken:
            super().arrived(serial, event, receipt)


class IgnoresCommandsItDoesNotKnow(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if isinstance(command, SetLimit):
            super().carry_out(serial, command)


class AnswersTwice(ToyDriver):
    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        super().ended(serial, outcome)
        super().ended(serial, outcome)


class AnswersUnderAnotherNumber(ToyDriver):
    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        super().ended(serial, msgspec.structs.replace(outcome, number=outcome.number + 1000))


class RaisesForACommand(ToyDriver):
    def command(self, serial: str, command: ChargerCommand) -> None:
        if not isinstance(command, SetLimit):
            raise NotImplementedError("not that")
        super().command(serial, command)


class IgnoresExpiry(ToyDriver):
    def is_expired(self, command: ChargerCommand) -> bool:
        return False


class CarriesOutWhatExpired(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        self.vendor.chargers[serial].carry_out(command)
        super().carry_out(serial, command)


class RefusesWhatExpired(ToyDriver):
    def ended(self, serial: str, outcome: CommandOutcome) -> None:
        if outcome.outcome is Outcome.EXPIRED:
            outcome = CommandOutcome(outcome.number, Outcome.REFUSED)
        super().ended(serial, outcome)


class TurnsTheOrderRound(ToyDriver):
    def command(self, serial: str, command: ChargerCommand) -> None:
        waiting = self.__dict__.setdefault("waiting", [])
        waiting.append((serial, command))
        self.vendor.call_soon(lambda: self.carry_out(*waiting.pop()))


class DoesNothing(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        self.ended(serial, CommandOutcome(command.number, Outcome.REFUSED))


class SaysDoneAndDoesNothing(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if isinstance(command, EndSession):
            self.ended(serial, CommandOutcome(command.number, Outcome.DONE))
        else:
            super().carry_out(serial, command)


class CountsSessionsAnew(ToyDriver):
    async def start(self) -> None:
        await super().start()
        for charger in self.vendor.chargers.values():
            charger.sessions = 0


class MixesSessionsUp(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if isinstance(event, SessionEnded):
            event = msgspec.structs.replace(event, session=event.session + 1)
        super().deliver(serial, event, receipt)


class CountsEnergyAnew(ToyDriver):
    async def start(self) -> None:
        await super().start()
        for charger in self.vendor.chargers.values():
            charger.register_wh = 0


class DoesNotFloor(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if isinstance(event, SessionEnded):
            event = msgspec.structs.replace(event, register_wh=event.register_wh + 0.5)
        super().deliver(serial, event, receipt)


class MeasuresBackwards(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        super().deliver(serial, event, receipt)
        if isinstance(event, SessionEnded):
            readings = (Reading(Quantity.ENERGY_WH, event.register_wh - 1),)
            super().deliver(serial, Measured(at_ms=event.at_ms, readings=readings), None)


class MeasuresWhatItDoesNotSay(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        super().deliver(serial, event, receipt)
        if isinstance(event, SessionEnded):
            readings = (Reading(Quantity.VOLTAGE_V, 230, 1),)
            super().deliver(serial, Measured(at_ms=event.at_ms, readings=readings), None)


class LosesTheEnergy(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if isinstance(event, SessionEnded):
            event = msgspec.structs.replace(event, register_wh=event.start_register_wh)
        super().deliver(serial, event, receipt)


class ReportsNoStart(ToyDriver):
    def deliver(self, serial: str, event: ChargerEvent, receipt: Receipt | None) -> None:
        if not isinstance(event, SessionStarted):
            super().deliver(serial, event, receipt)


class KeepsItsLossToItself(ToyDriver):
    def say_why(self) -> None:
        """Say nothing."""


class GivesNoReason(ToyDriver):
    def say_why(self) -> None:
        self.sink.cloud_disconnected("")


class AlwaysSaysThatItIsConnected(ToyDriver):
    """Its cloud_status is not that of its connection."""

    def cloud_status(self):
        return CloudStatus(connected=True)


class DoesNotSayThatItIsBack(ToyDriver):
    def connection_came(self) -> None:
        sink, self.sink = self.sink, _Mute(self.sink, quiet=hasattr(self, "came"))
        super().connection_came()
        self.sink, self.came = sink, True


class _Mute:
    def __init__(self, sink, *, quiet: bool) -> None:
        self.charger_event = sink.charger_event
        self.charger_known = sink.charger_known
        self.cloud_connected = (lambda: None) if quiet else sink.cloud_connected


class CannotReportAgain(ToyDriver):
    outcome = Outcome.IMPOSSIBLE

    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if isinstance(command, ReportSessions):
            self.ended(serial, CommandOutcome(command.number, self.outcome))
        else:
            super().carry_out(serial, command)


class RefusesToReportAgain(CannotReportAgain):
    outcome = Outcome.REFUSED


class SaysThatItHasLooked(CannotReportAgain):
    outcome = Outcome.DONE


class ReportsBehindTheOutcome(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if isinstance(command, ReportSessions):
            self.ended(serial, CommandOutcome(command.number, Outcome.DONE))
            self.vendor.chargers[serial].carry_out(command)
        else:
            super().carry_out(serial, command)


class ReportsInDisorder(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        charger = self.vendor.chargers[serial]
        if isinstance(command, ReportSessions) and charger.session is not None:
            charger.tell(charger.session)
        super().carry_out(serial, command)


class ReportsEverything(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        if isinstance(command, ReportSessions):
            command = msgspec.structs.replace(command, first=0)
        super().carry_out(serial, command)


class ForgetsTheRunningOne(ToyDriver):
    def carry_out(self, serial: str, command: ChargerCommand) -> None:
        charger = self.vendor.chargers[serial]
        session = charger.session
        if isinstance(command, ReportSessions):
            charger.session = None
        super().carry_out(serial, command)
        charger.session = charger.session or session


BROKEN = [
    ("wrong_settings_name_their_key", TakesAnySettings, "the driver took them"),
    ("wrong_settings_name_their_key", DoesNotNameTheKey, "something is wrong"),
    ("wrong_settings_name_their_key", RaisesKeyError, "KeyError"),
    ("start_does_not_need_the_cloud", RaisesForAbsence, "the vendor is away"),
    ("start_does_not_need_the_cloud", WaitsForTheCloud, "start returns at once"),
    ("start_does_not_need_the_cloud", GuessesReachable, "not reachable"),
    ("start_does_not_need_the_cloud", DoesNotRefuseWithoutACloud, "an outcome of Withdraw"),
    ("stop_returns_in_time", DoesNotStop, "stop returns within"),
    ("stop_returns_in_time", RaisesAtStop, "cannot stop"),
    ("nothing_after_stop", StaysConnectedAfterStop, "the last before stop"),
    ("watch_begins_with_what_is_known", DoesNotDescribeTheCharger, "begins with charger_known"),
    ("watch_begins_with_what_is_known", TellsTheStateFirst, "begins with charger_known"),
    ("watch_begins_with_what_is_known", IntroducesOnce, "the state of T1 is reported"),
    ("reachable_is_reported_in_order", KeepsAbsenceToItself, r"Reachable\(False\) is the latest"),
    ("reachable_is_reported_in_order", TellsAbsenceLate, r"Reachable\(True\) stays the latest"),
    ("a_cloud_that_is_away_is_not_guessed_at", DoesNotNoticeThatTheCloudIsAway, r"Reachable\(False\)"),
    ("a_cloud_that_is_away_is_not_guessed_at", DoesNotComeBack, r"Reachable\(True\)"),
    ("a_cloud_that_is_away_is_not_guessed_at", ForgetsWhatHappenedMeanwhile, "the end of the session"),
    ("watch_repeats_what_is_not_acknowledged", RepeatsNothing, "come again"),
    ("watch_repeats_what_is_not_acknowledged", RepeatsBackwards, "in their order"),
    ("watch_repeats_what_is_not_acknowledged", RepeatsTheNewestOnly, "come again"),
    ("watch_repeats_what_is_not_acknowledged", RepeatsBeforeTheState, "begins with charger_known"),
    ("watch_repeats_what_is_not_acknowledged", NeverForgets, "is forgotten"),
    ("watch_repeats_what_is_not_acknowledged", RaisesForASecondReceipt, "acknowledge raises nothing"),
    ("watch_repeats_what_is_not_acknowledged", ForgetsWhatItDelivered, "come again"),
    ("watch_repeats_what_is_not_acknowledged", GivesNoReceipt, "carry a receipt"),
    ("a_restart_repeats_the_record_of_a_session", ForgetsAtStop, "comes again"),
    ("a_restart_repeats_the_record_of_a_session", RoundsAtARestart, "it says all of"),
    ("a_restart_repeats_the_record_of_a_session", RepeatsBeforeTheState, "begins with charger_known"),
    ("a_restart_repeats_the_record_of_a_session", RepeatsBackwards, "in its order"),
    ("a_restart_repeats_the_record_of_a_session", PresentsTokensAnew, "or not at all"),
    ("a_restart_repeats_the_start_of_a_session", ForgetsStartsAtStop, "comes again"),
    ("a_restart_keeps_an_authorization", ForgetsWhoWasAuthorized, r"it is SessionStarted"),
    ("a_restart_keeps_an_authorization", ForgetsWhoseSessionItIs, "the session that ended"),
    ("nothing_after_unwatch", IgnoresUnwatch, "nothing of T1 after unwatch"),
    ("unknown_serials_are_harmless", RaisesForAnUnknownSerial, "watch raises nothing"),
    ("unknown_serials_are_harmless", RaisesAtUnwatch, "unwatch raises nothing"),
    ("unknown_serials_are_harmless", DoesNotAnswerForAnUnknownSerial, "an outcome of SetLimit"),
    ("unknown_serials_are_harmless", DoesItForAnUnknownSerial, "is done"),
    ("unknown_serials_are_harmless", BreaksAfterAnUnknownSerial, "a car was plugged in|is reachable"),
    ("every_command_has_one_outcome", IgnoresCommandsItDoesNotKnow, "an outcome of each"),
    ("every_command_has_one_outcome", AnswersTwice, "one of each"),
    ("every_command_has_one_outcome", AnswersUnderAnotherNumber, "an outcome of each"),
    ("every_command_has_one_outcome", RaisesForACommand, "command raises nothing"),
    ("expired_commands_are_not_carried_out", IgnoresExpiry, "is EXPIRED"),
    ("expired_commands_are_not_carried_out", CarriesOutWhatExpired, "it shows 2"),
    ("expired_commands_are_not_carried_out", RefusesWhatExpired, "is EXPIRED"),
    ("commands_keep_their_order", TurnsTheOrderRound, "it shows 1"),
    ("commands_keep_their_order", DoesNothing, "a probe is done"),
    ("done_means_done", SaysDoneAndDoesNothing, "the end of the session"),
    ("session_numbers_rise", CountsSessionsAnew, "rise"),
    ("session_numbers_rise", MixesSessionsUp, "the one that began"),
    ("session_numbers_rise", ReportsNoStart, "the start of a session"),
    ("registers_never_run_backwards", CountsEnergyAnew, "registers that rise"),
    ("registers_never_run_backwards", DoesNotFloor, "whole Wh"),
    ("registers_never_run_backwards", MeasuresBackwards, "registers that rise"),
    ("registers_never_run_backwards", MixesSessionsUp, "of its SessionStarted"),
    ("registers_never_run_backwards", LosesTheEnergy, "the energy that was drawn"),
    ("a_charger_measures_what_it_says", MeasuresWhatItDoesNotSay, "says that it measures"),
    ("a_session_that_ended_unseen_is_reported", MissesWhatHappenedWithoutIt, "the end of the session"),
    ("a_session_that_ended_unseen_is_reported", MixesSessionsUp, "the one that ended"),
    ("a_session_that_ended_unseen_is_reported", LosesTheEnergy, "the energy that was drawn"),
    ("the_connection_with_the_cloud_is_reported", KeepsItsLossToItself, "when it is cut off"),
    ("the_connection_with_the_cloud_is_reported", GivesNoReason, "with a reason"),
    ("the_connection_with_the_cloud_is_reported", AlwaysSaysThatItIsConnected, "connected False"),
    ("the_connection_with_the_cloud_is_reported", DoesNotSayThatItIsBack, "when it is back"),
    ("a_cloud_that_is_not_there_is_reported", KeepsItsLossToItself, "cloud_disconnected"),
    ("a_cloud_that_is_not_there_is_reported", GivesNoReason, "with a reason"),
    ("sessions_are_reported_again", RefusesToReportAgain, "the outcome DONE"),
    ("sessions_are_reported_again", SaysThatItHasLooked, "before the outcome"),
    ("sessions_are_reported_again", ReportsBehindTheOutcome, "before the outcome"),
    ("sessions_are_reported_again", ReportsInDisorder, "before the outcome"),
    ("sessions_are_reported_again", ReportsEverything, "before the outcome"),
    ("sessions_are_reported_again", ForgetsTheRunningOne, "before the outcome"),
    ("a_session_that_never_was_is_not_reported", RefusesToReportAgain, "the outcome DONE"),
    ("a_session_that_never_was_is_not_reported", ReportsEverything, "no session"),
]


@pytest.mark.parametrize(
    ("name", "kind", "reason"), BROKEN, ids=[f"{name}-{kind.__name__}" for name, kind, _ in BROKEN]
)
def test_a_driver_that_breaks_a_sentence_fails(
    name: str, kind: type[ToyDriver], reason: str, tmp_path: Path
) -> None:
    [check] = [check for check in CHECKS if check.name == name]
    with pytest.raises(ContractBroken, match=reason) as broken:
        asyncio.run(check.run(toy(kind), tmp_path))
    assert str(broken.value).startswith(check.sentence)


def test_every_check_has_a_driver_that_fails_it() -> None:
    assert {name for name, _, _ in BROKEN} == {check.name for check in CHECKS}


@pytest.mark.parametrize("check", [check for check in CHECKS if "reported_again" in check.name], ids=str)
def test_a_driver_whose_vendor_has_no_list_may_say_so(check: Check, tmp_path: Path) -> None:
    with pytest.raises(SkipTest, match="cannot report sessions again"):
        asyncio.run(check.run(toy(CannotReportAgain), tmp_path))


class KeepsOnlyWhatCounts(ToyDriver):
    def unacknowledged(self, charger: ToyCharger) -> list[tuple[int, ChargerEvent]]:
        return [
            (number, event)
            for number, event in super().unacknowledged(charger)
            if isinstance(event, SessionEnded)
            or (charger.session is not None and isinstance(event, SessionStarted))
        ]


@pytest.mark.parametrize("check", [check for check in CHECKS if check.name.startswith("a_restart_")], ids=str)
def test_what_counts_no_more_may_be_left_out_after_a_restart(check: Check, run, tmp_path: Path) -> None:
    run(check.run(toy(KeepsOnlyWhatCounts), tmp_path))


def test_a_failure_shows_what_was_received(tmp_path: Path) -> None:
    [check] = [check for check in CHECKS if check.name == "nothing_after_unwatch"]
    with pytest.raises(ContractBroken) as broken:
        asyncio.run(check.run(toy(IgnoresUnwatch), tmp_path))
    text = str(broken.value)
    assert text.splitlines()[:3] == [
        "After unwatch nothing of the charger is delivered.",
        "expected: nothing of T1 after unwatch",
        "received:",
    ]
    assert re.search(r"\n  T1: StateChanged\(.*AWAITING_TOKEN", text)


def test_what_a_rig_cannot_do_is_skipped_and_says_so(tmp_path: Path) -> None:
    class Lonely(Rig):
        def make_driver(self, sink, state_dir):
            raise AssertionError("nobody asks for a driver")

    @asynccontextmanager
    async def lonely(_: Path):
        yield Lonely([Charger("T1")])

    [check] = [check for check in CHECKS if check.name == "nothing_after_unwatch"]
    with pytest.raises(SkipTest, match="one charger"):
        asyncio.run(check.run(lonely, tmp_path))
