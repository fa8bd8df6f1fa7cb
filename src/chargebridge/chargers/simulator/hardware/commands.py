"""Carries out the commands of the cloud on a simulated charger."""

from typing import Final

from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ClearCache,
    CommandOutcome,
    Configure,
    EndSession,
    KeepList,
    Outcome,
    OverrideSchedule,
    Reboot,
    ReportSessions,
    SessionEnd,
    SetAvailable,
    SetLimit,
    StorePlan,
    Unlock,
    Withdraw,
)
from chargebridge.chargers.simulator.hardware.mechanics import ChargerMechanics
from chargebridge.chargers.simulator.hardware.tokens import LocalList, remember

OUTCOMES_REMEMBERED: Final = 16


def carry_out(charger: ChargerMechanics, command: ChargerCommand, now_ms: int) -> CommandOutcome:
    """Carry out a command on a charger that was advanced to `now_ms`, once for each number.

    Returns:
        Its outcome; for a number that was carried out before, the outcome of that time.
    """
    outcomes = charger.record.outcomes
    outcome = outcomes.get(command.number)
    if outcome is not None:
        return CommandOutcome(number=command.number, outcome=outcome)
    detail = ""
    if command.expires_ms <= now_ms:
        outcome = Outcome.EXPIRED
    elif not charger.reachable:
        outcome, detail = Outcome.REFUSED, "the charger's cloud cannot reach it"
    else:
        detail = _obey(charger, command, now_ms)
        outcome = Outcome.REFUSED if detail else Outcome.DONE
    outcomes[command.number] = outcome
    if len(outcomes) > OUTCOMES_REMEMBERED:
        del outcomes[next(iter(outcomes))]
    return CommandOutcome(number=command.number, outcome=outcome, detail=detail)


def _obey(charger: ChargerMechanics, command: ChargerCommand, now_ms: int) -> str:
    """Carry out a command, or return why it is refused."""
    record = charger.record
    match command:
        case Authorize(id_tag=id_tag, accepted=accepted):
            remember(record.cache, id_tag, accepted=accepted)
            return _authorize(charger, id_tag, now_ms) if accepted else ""
        case Withdraw():
            record.authorization = None
        case EndSession():
            _end_session(charger, command, now_ms)
        case SetAvailable(available=available):
            record.available = available
            if not available:
                record.authorization = None
        case Reboot():
            charger.go_down(SessionEnd.REBOOT, now_ms, charger.settings.reboot_ms)
        case Unlock():
            if charger.settings.fixed_cable:
                return "the cable is fixed to the charger, which has no lock"
            record.locked = False
        case StorePlan(plan=plan):
            record.limits.store(plan)
        case SetLimit(limit_ma=limit_ma, until_ms=until_ms):
            record.limits.set_volatile(limit_ma, until_ms)
        case Configure():
            record.rules = record.rules.changed_by(command)
        case KeepList(version=version, tokens=tokens):
            charger.local_list = LocalList(version, tokens)
        case ClearCache():
            record.cache.clear()
        case OverrideSchedule():
            if record.session is None:
                return "no session is running"
            record.limits.overridden = True
        case ReportSessions():
            return "its cloud has the list of sessions, not the charger"
    charger.take_effect(now_ms)
    return ""


def _authorize(charger: ChargerMechanics, id_tag: str, now_ms: int) -> str:
    record = charger.record
    if record.session is not None:
        return "" if record.session.belongs_to(id_tag) else "another session is running"
    if record.faulted:
        return f"the charger has the fault {record.fault}"
    if not record.available:
        return "the charger is disabled"
    charger.let_charge(id_tag, now_ms)
    return ""


def _end_session(charger: ChargerMechanics, command: EndSession, now_ms: int) -> None:
    record = charger.record
    if record.session is None or record.session.number != command.session:
        return
    locked = record.locked and command.keep_locked
    charger.end_session(SessionEnd.DEAUTHORIZED, now_ms)
    record.locked = locked
    record.dismissed = True
