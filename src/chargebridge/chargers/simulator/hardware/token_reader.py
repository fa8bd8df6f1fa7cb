"""The RFID reader of a simulated charger, and the decision about a presented token."""

from chargebridge.chargers.model import Fault, SessionEnd, TokenPresented
from chargebridge.chargers.simulator.hardware.mechanics import ChargerMechanics
from chargebridge.chargers.simulator.hardware.tokens import offline_refusal


def refusal(charger: ChargerMechanics, id_tag: str) -> str | None:
    """Return why the reader refuses this token now; None: it does not."""
    record = charger.record
    if record.down_until_ms is not None:
        return "the charger is without power or booting"
    if record.faulted or record.fault is Fault.READER:
        return f"the charger has the fault {record.fault}"
    if not record.available and record.session is None:
        return "the charger is disabled"
    if not record.cloud_lost:
        return None
    if record.session is not None:
        alone = None if record.session.belongs_to(id_tag) else "the session began with another token"
    else:
        now_ms = record.outlet.at_ms
        alone = offline_refusal(id_tag, now_ms, record.rules, charger.local_list, record.cache)
    return alone and f"the charger's cloud cannot be reached, and {alone}"


def accept(charger: ChargerMechanics, id_tag: str, now_ms: int) -> None:
    """Take a token that is not refused: the cloud decides about it, or without the cloud the charger."""
    record = charger.record
    if not record.cloud_lost:
        charger.reporter.report(TokenPresented(at_ms=now_ms, id_tag=id_tag))
    elif record.session is None:
        charger.let_charge(id_tag, now_ms)
    else:
        charger.end_session(SessionEnd.OTHER, now_ms)
        record.dismissed = True
        charger.take_effect(now_ms)
