"""Who may charge: tokens at the reader and remote starts (`AZ-*`, OCPP 1.6 §3.5, §4.1)."""

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Raw, structs

from chargebridge.chargepoint import availability, commands, configuration, transactions
from chargebridge.chargepoint.state import Intent, Origin
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import ChargerState, TokenPresented
from chargebridge.ocpp16.enums import AuthorizationStatus, Reason
from chargebridge.ocpp16.frames import PayloadError, decode_response
from chargebridge.ocpp16.messages import Authorize, AuthorizeResponse
from chargebridge.ocpp16.text import fit, same_token

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

ID_TAG_LIMIT = 20
_NO_START = frozenset({None, ChargerState.FAULTED, ChargerState.DISABLED})


class Wish(Enum):
    """What the token that is being authorized is to do."""

    START = auto()
    STOP = auto()


class Authorizing(NamedTuple):
    """A token whose Authorize is not answered; it dies with its link."""

    id_tag: str
    wish: Wish
    origin: Origin
    profile: bytes | None = None
    """What a remote start brought for its transaction."""


def may_start(charge_point: "ChargePoint") -> bool:
    """Whether a new transaction could begin now, whoever wants it (`AV-6`, `ST-10`, `RS-3`)."""
    state = charge_point.state
    return (
        charge_point.reachable
        and state.charger not in _NO_START
        and availability.operative(charge_point)
        and charge_point.running is None
        and state.intent is None
        and state.reset is None
        and charge_point.authorizing is None
        and not any(not wanted for _, wanted in state.scheduled)
    )


def token_presented(charge_point: "ChargePoint", event: TokenPresented) -> None:
    """Decide what a token at the reader does: start, stop, cancel, or nothing."""
    state = charge_point.state
    if event.at_ms <= state.token_ms or _stale(charge_point, event.at_ms):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "token presented: a replay")
        return
    state.token_ms = min(event.at_ms, charge_point.now.utc_ms)  # a clock ahead must not silence it
    charge_point.changed()
    id_tag = fit(event.id_tag, ID_TAG_LIMIT)
    running, intent = charge_point.running, state.intent
    if charge_point.authorizing is not None:
        return  # one token at a time; its answer is on the way
    if running is not None:
        if same_token(id_tag, running.id_tag):
            transactions.request_stop(charge_point, Reason.LOCAL, id_tag)  # no Authorize (AZ-2)
        elif running.parent_id_tag is not None and charge_point.online:
            charge_point.authorizing = Authorizing(id_tag, Wish.STOP, Origin.READER)
        else:
            commands.show_refusal(charge_point, id_tag)
    elif intent is not None:
        if same_token(id_tag, intent.id_tag):
            give_up_intent(charge_point)  # AZ-5
        else:
            commands.show_refusal(charge_point, id_tag)
    elif not may_start(charge_point):
        commands.show_refusal(charge_point, id_tag)
    elif charge_point.online:
        charge_point.authorizing = Authorizing(id_tag, Wish.START, Origin.READER)
    else:
        _decide_offline(charge_point, Authorizing(id_tag, Wish.START, Origin.READER))


def _stale(charge_point: "ChargePoint", at_ms: int) -> bool:
    age_ms = charge_point.now.utc_ms - at_ms
    return age_ms > 1000 * max(configuration.integer(charge_point, "ConnectionTimeOut"), 60)


# --- asking the central system ----------------------------------------------------------------------


def authorize_remote(charge_point: "ChargePoint", id_tag: str, profile: bytes | None) -> None:
    """Authorize the tag of a remote start like one at the reader (`RS-2`)."""
    charge_point.authorizing = Authorizing(id_tag, Wish.START, Origin.REMOTE, profile)


def request(authorizing: Authorizing) -> Authorize:
    """Ask the central system about a token."""
    return Authorize(id_tag=authorizing.id_tag)


def answered(charge_point: "ChargePoint", payload: Raw) -> None:
    """Take the central system's verdict."""
    authorizing, charge_point.authorizing = charge_point.authorizing, None
    if authorizing is None:
        return
    try:
        response = decode_response("Authorize", payload, tolerant=True)
    except PayloadError as error:
        charge_point.notice(NoticeKind.CALL_FAILED, f"authorize: {error.description}")
        _decide_offline(charge_point, authorizing)
        return
    assert isinstance(response, AuthorizeResponse)
    info = response.id_tag_info
    accepted = info.status is AuthorizationStatus.ACCEPTED
    if authorizing.wish is Wish.STOP:
        running = charge_point.running
        same_parent = (
            running is not None
            and running.parent_id_tag is not None
            and info.parent_id_tag is not None
            and same_token(running.parent_id_tag, info.parent_id_tag)
        )
        if accepted and same_parent:
            transactions.request_stop(charge_point, Reason.LOCAL, authorizing.id_tag)
        else:
            commands.show_refusal(charge_point, authorizing.id_tag)
    elif accepted and may_start(charge_point):
        begin_intent(
            charge_point, authorizing.id_tag, authorizing.origin, info.parent_id_tag, authorizing.profile
        )
    else:
        commands.show_refusal(charge_point, authorizing.id_tag)


def unanswered(charge_point: "ChargePoint") -> None:
    """The central system does not say: decide as when it cannot be asked."""
    authorizing, charge_point.authorizing = charge_point.authorizing, None
    if authorizing is not None:
        _decide_offline(charge_point, authorizing)


def link_lost(charge_point: "ChargePoint") -> None:
    """An Authorize under way dies with its link; the driver's token is decided offline."""
    unanswered(charge_point)


def _decide_offline(charge_point: "ChargePoint", authorizing: Authorizing) -> None:
    # Nothing is known of any token here, so only AllowOfflineTxForUnknownId can let it start.
    allowed = configuration.boolean(charge_point, "AllowOfflineTxForUnknownId")
    if authorizing.wish is Wish.START and allowed and may_start(charge_point):
        begin_intent(charge_point, authorizing.id_tag, authorizing.origin, None, authorizing.profile)
    else:
        commands.show_refusal(charge_point, authorizing.id_tag)


# --- authorized, and not charging yet ---------------------------------------------------------------


def begin_intent(
    charge_point: "ChargePoint",
    id_tag: str,
    origin: Origin,
    parent: str | None,
    profile: bytes | None = None,
) -> None:
    """Let the charger begin as soon as a car is there, for ConnectionTimeOut seconds (`AZ-6`, `RS-4`)."""
    state = charge_point.state
    seconds = configuration.integer(charge_point, "ConnectionTimeOut")
    until_ms = charge_point.now.utc_ms + seconds * 1000
    state.intent = Intent(id_tag, origin, parent, until_ms, profile)
    state.preparing_until_ms = None
    charge_point.set_timer(Timer.CONNECTION, seconds)
    commands.authorize(charge_point, id_tag, seconds * 1000)


def give_up_intent(charge_point: "ChargePoint") -> None:
    """Withdraw an authorization that no session has come of."""
    end_intent(charge_point)
    commands.withdraw(charge_point)
    car_waits(charge_point)


def end_intent(charge_point: "ChargePoint") -> None:
    """The intent has been met, or is over."""
    if charge_point.state.intent is not None:
        charge_point.state.intent = None
        charge_point.cancel_timer(Timer.CONNECTION)
        charge_point.changed()


def not_carried_out(charge_point: "ChargePoint") -> None:
    """The charger did not take the authorization."""
    end_intent(charge_point)
    car_waits(charge_point)


def connection_timed_out(charge_point: "ChargePoint") -> None:
    """Nobody plugged in, or nobody was authorized, in time (`AZ-6`)."""
    state = charge_point.state
    if state.intent is not None:
        end_intent(charge_point)
        commands.withdraw(charge_point)
    state.preparing_until_ms = None
    if state.charger is ChargerState.AWAITING_TOKEN and charge_point.running is None:
        state.finished = True
    charge_point.changed()


def car_waits(charge_point: "ChargePoint") -> None:
    """A car is plugged in and nobody is authorized: it may wait for ConnectionTimeOut."""
    state = charge_point.state
    waits = (
        state.charger is ChargerState.AWAITING_TOKEN
        and charge_point.running is None
        and state.intent is None
        and not state.finished
    )
    if waits and state.preparing_until_ms is None:
        seconds = configuration.integer(charge_point, "ConnectionTimeOut")
        state.preparing_until_ms = charge_point.now.utc_ms + seconds * 1000
        charge_point.set_timer(Timer.CONNECTION, seconds)
        charge_point.changed()
    elif not waits and state.preparing_until_ms is not None:
        # An intent would have taken the timer over, and this with it.
        state.preparing_until_ms = None
        charge_point.cancel_timer(Timer.CONNECTION)
        charge_point.changed()


def connection_timeout_changed(charge_point: "ChargePoint") -> None:
    """ConnectionTimeOut was written: the running one is counted anew."""
    state = charge_point.state
    if Timer.CONNECTION in charge_point.timers:
        seconds = configuration.integer(charge_point, "ConnectionTimeOut")
        until_ms = charge_point.now.utc_ms + seconds * 1000
        charge_point.set_timer(Timer.CONNECTION, seconds)
        if state.intent is not None:
            state.intent = structs.replace(state.intent, until_ms=until_ms)
        else:
            state.preparing_until_ms = until_ms
        charge_point.changed()


def resume(charge_point: "ChargePoint") -> None:
    """After a restart: take up ConnectionTimeOut where it was."""
    state = charge_point.state
    until_ms = state.intent.until_ms if state.intent is not None else state.preparing_until_ms
    if until_ms is not None:
        seconds = configuration.integer(charge_point, "ConnectionTimeOut")
        charge_point.set_timer_until(Timer.CONNECTION, until_ms, seconds)
