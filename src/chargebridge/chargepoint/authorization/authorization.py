"""Authorization of tokens at the reader and of remote starts (`AZ-*`, OCPP 1.6 §3.5, §4.1)."""

from msgspec import Raw, structs

from chargebridge.chargepoint.authorization import known_tokens, local_list
from chargebridge.chargepoint.charger import clock, commands, stopping, waiting_sessions
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.connector import availability
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import AcceptedStart, Intent, Origin
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.model.volatile import Authorizing, TokenUse
from chargebridge.chargepoint.records import TokenQuery, TokensFound
from chargebridge.chargepoint.rules.tokens import ID_TAG_LIMIT, Known
from chargebridge.chargepoint.turn import NoticeKind, ReadStore
from chargebridge.chargers.model import ChargerState, SessionStarted, TokenPresented
from chargebridge.ocpp16.answers import id_tag_info, read_authorize
from chargebridge.ocpp16.enums import AuthorizationStatus, Reason
from chargebridge.ocpp16.messages import Authorize
from chargebridge.ocpp16.text import fit, same_token

_NO_START = frozenset({None, ChargerState.FAULTED, ChargerState.DISABLED})


def may_start(charge_point: ChargePoint) -> bool:
    """Whether a new transaction could begin now, whoever wants it (`AV-6`, `ST-10`, `RS-3`)."""
    return charge_point.running is None and _could_start(charge_point)


def may_start_soon(charge_point: ChargePoint) -> bool:
    """Whether a new transaction could begin as soon as the running one, which is over, has ended."""
    return (
        waiting_sessions.leaves_nothing_running(charge_point)
        and charge_point.state.waiting_token is None
        and _could_start(charge_point)
    )


def _could_start(charge_point: ChargePoint) -> bool:
    state = charge_point.state
    return (
        charge_point.reachable
        and state.charger not in _NO_START
        and availability.operative(charge_point)
        and state.intent is None
        and state.reset is None
        and charge_point.authorizing is None
        and not any(not wanted for _, wanted in state.scheduled)
    )


def token_presented(charge_point: ChargePoint, event: TokenPresented) -> None:
    """Decide what a token at the reader does: start, stop, cancel, release, or nothing."""
    state = charge_point.state
    if _is_replay(charge_point, event.at_ms) or _is_late(charge_point, event.at_ms):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "token presented: a replay")
        return
    state.tokens = state.tokens.with_event(event.at_ms, charge_point.now.utc_ms)
    clock.advance(charge_point, event.at_ms)
    charge_point.mark_dirty()
    if isinstance(state.waiting_token, AcceptedStart):
        commands.show_refusal(charge_point, fit(event.id_tag, ID_TAG_LIMIT))
    elif waiting_sessions.is_over(charge_point):
        # It is meant for a newer session, whose turn has not come.
        state.waiting_token = event
        waiting_sessions.shorten_wait(charge_point)
    else:
        _decide(charge_point, fit(event.id_tag, ID_TAG_LIMIT))


def wait_to_start(charge_point: ChargePoint, id_tag: str, profile: bytes | None) -> None:
    """Have a remote start wait for the end of the running transaction, whose session is over."""
    charge_point.state.waiting_token = AcceptedStart(id_tag, profile)
    charge_point.mark_dirty()
    waiting_sessions.shorten_wait(charge_point)


def decide_waiting(charge_point: ChargePoint) -> None:
    """Decide about what came, if anything, before the transaction of a session that was over had ended."""
    waiting = charge_point.state.waiting_token
    forget_waiting(charge_point)
    if waiting is None:
        return
    if isinstance(waiting, AcceptedStart):
        if may_start(charge_point):
            start_remotely(charge_point, waiting.id_tag, waiting.profile)
    elif not _is_late(charge_point, waiting.at_ms):
        _decide(charge_point, fit(waiting.id_tag, ID_TAG_LIMIT))


def _decide(charge_point: ChargePoint, id_tag: str) -> None:
    state = charge_point.state
    running, intent = charge_point.running, state.intent
    if charge_point.authorizing is not None:
        return  # one token at a time; its answer is on the way
    if running is not None:
        if same_token(id_tag, running.id_tag):
            stopping.request_stop(charge_point, Reason.LOCAL, id_tag)  # no Authorize (AZ-2)
        else:
            _look_up(charge_point, Authorizing(id_tag, TokenUse.STOP, Origin.READER, owner=running.id_tag))
    elif intent is not None:
        if same_token(id_tag, intent.id_tag):
            withdraw_intent(charge_point)  # AZ-5
        else:
            commands.show_refusal(charge_point, id_tag)
    elif state.locked is not None:
        owner = state.locked.id_tag
        if same_token(id_tag, owner):
            commands.unlock(charge_point)
        else:
            _look_up(charge_point, Authorizing(id_tag, TokenUse.RELEASE, Origin.READER, owner=owner))
    elif not may_start(charge_point):
        commands.show_refusal(charge_point, id_tag)
    else:
        _look_up(charge_point, Authorizing(id_tag, TokenUse.START, Origin.READER))


def _is_replay(charge_point: ChargePoint, at_ms: int) -> bool:
    tokens = charge_point.state.tokens
    return tokens.repeats(at_ms) or tokens.is_later_than(at_ms, charge_point.now.utc_ms)


def _is_late(charge_point: ChargePoint, at_ms: int) -> bool:
    """Whether a presented token is too old, or a session has begun or ended since."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    patience_ms = 1000 * max(configuration.integer(charge_point, "ConnectionTimeOut"), 60)
    since = any(
        at_ms < waiting.at_ms for waiting in state.waiting_events if isinstance(waiting, SessionStarted)
    )
    return now_ms - at_ms > patience_ms or since or state.edges.is_later_than(at_ms, now_ms)


def forget_waiting(charge_point: ChargePoint) -> None:
    """Decide nothing about what waits: the session goes on, perhaps by that very token."""
    if charge_point.state.waiting_token is not None:
        charge_point.state.waiting_token = None
        charge_point.mark_dirty()


def start_remotely(charge_point: ChargePoint, id_tag: str, profile: bytes | None) -> None:
    """Let a remote start charge, once its tag is authorized if that is configured (`RS-2`)."""
    if configuration.boolean(charge_point, "AuthorizeRemoteTxRequests"):
        _look_up(charge_point, Authorizing(id_tag, TokenUse.START, Origin.REMOTE, profile))
    else:
        begin_intent(charge_point, id_tag, Origin.REMOTE, None, profile)


# --- list and cache ---------------------------------------------------------------------------------


def _look_up(charge_point: ChargePoint, authorizing: Authorizing) -> None:
    charge_point.authorizing = authorizing
    charge_point.emit(ReadStore(_query(authorizing)))


def _query(authorizing: Authorizing) -> TokenQuery:
    return TokenQuery(tuple(tag for tag in (authorizing.id_tag, authorizing.owner) if tag is not None))


def tokens_read(charge_point: ChargePoint, query: TokenQuery, found: TokensFound) -> None:
    """Decide about a token by list and cache, or have it authorized by the central system.

    Online a token that is not valid here is authorized there, too: what the central system says is newer.
    """
    authorizing = charge_point.authorizing
    if authorizing is None or authorizing.known is not None or query != _query(authorizing):
        return  # not waited for any more
    charge_point.authorizing = None
    known = known_tokens.known(charge_point, found, authorizing.id_tag)
    known_tokens.note_expiry(charge_point, known.cached)
    owner = known_tokens.known(charge_point, found, authorizing.owner or authorizing.id_tag)
    authorizing = authorizing._replace(known=known, owner_parent=owner.parent_id_tag)
    valid = known.valid(charge_point.now.utc_ms)
    if authorizing.owner is not None and _parent_of_owner(charge_point, authorizing) is None:
        commands.show_refusal(charge_point, authorizing.id_tag)  # no token could be of the same parent
    elif not charge_point.online:
        _decide_offline(charge_point, authorizing, known)
    elif valid and configuration.boolean(charge_point, "LocalPreAuthorize"):
        _permit(charge_point, authorizing, known.parent_id_tag)
    else:
        charge_point.authorizing = authorizing


def _parent_of_owner(charge_point: ChargePoint, authorizing: Authorizing) -> str | None:
    """Return the parent of the token whose session or cable it is; None: not known, or no longer so."""
    stop = authorizing.use is TokenUse.STOP
    owner = charge_point.running if stop else charge_point.state.locked
    if owner is None or owner.id_tag != authorizing.owner:
        return None
    return owner.parent_id_tag or authorizing.owner_parent


# --- Authorize --------------------------------------------------------------------------------------


def awaits_central_system(charge_point: ChargePoint) -> bool:
    """Whether a token waits to be authorized by the central system."""
    return charge_point.authorizing is not None and charge_point.authorizing.known is not None


def request(charge_point: ChargePoint) -> Authorize:
    """Write the Authorize for the token."""
    assert charge_point.authorizing is not None
    return Authorize(id_tag=charge_point.authorizing.id_tag)


def answered(charge_point: ChargePoint, payload: Raw) -> None:
    """Decide by the central system's answer; one that does not accept the token refuses it (`AZ-4`)."""
    authorizing = charge_point.authorizing
    if authorizing is None or authorizing.known is None:
        return
    charge_point.authorizing = None
    answer, unusable = read_authorize(payload)
    charge_point.notice_unusable("Authorize", unusable)
    said, known = answer.id_tag_info, authorizing.known
    info = id_tag_info(said, without_status=AuthorizationStatus.INVALID)
    known_tokens.remember(charge_point, authorizing.id_tag, info)
    if said is not None and said.status is not None:
        local_list.check_conflict(charge_point, authorizing.id_tag, info.status, known.listed)
    if info.status is AuthorizationStatus.ACCEPTED:
        _permit(charge_point, authorizing, info.parent_id_tag or known.parent_id_tag)
    else:
        commands.show_refusal(charge_point, authorizing.id_tag)


def unanswered(charge_point: ChargePoint) -> None:
    """Decide offline: there is no answer, or a CALLERROR, which says nothing of the token."""
    authorizing = charge_point.authorizing
    if authorizing is not None and authorizing.known is not None:
        charge_point.authorizing = None
        _decide_offline(charge_point, authorizing, authorizing.known)


def link_lost(charge_point: ChargePoint) -> None:
    """Decide offline about the token of an Authorize under way: that dies with its link."""
    unanswered(charge_point)


def forget(charge_point: ChargePoint) -> None:
    """Decide nothing about a token whose charger is gone."""
    charge_point.authorizing = None


# --- deciding ---------------------------------------------------------------------------------------


def _decide_offline(charge_point: ChargePoint, authorizing: Authorizing, known: Known) -> None:
    """Decide without the central system; what list or cache refuse is refused under any key."""
    valid = known.valid(charge_point.now.utc_ms)
    start = authorizing.use is TokenUse.START
    by_what_is_known = valid and configuration.boolean(charge_point, "LocalAuthorizeOffline")
    unseen = valid is not False and configuration.boolean(charge_point, "AllowOfflineTxForUnknownId")
    if by_what_is_known or (start and unseen):
        _permit(charge_point, authorizing, known.parent_id_tag)
    else:
        commands.show_refusal(charge_point, authorizing.id_tag)


def _permit(charge_point: ChargePoint, authorizing: Authorizing, parent: str | None) -> None:
    """Let a token do what it is good for; another's session or cable takes the same parent (`AZ-2`)."""
    id_tag = authorizing.id_tag
    owner_parent = _parent_of_owner(charge_point, authorizing)
    related = parent is not None and owner_parent is not None and same_token(parent, owner_parent)
    if authorizing.use is TokenUse.START and may_start(charge_point):
        begin_intent(charge_point, id_tag, authorizing.origin, parent, authorizing.profile)
    elif authorizing.use is TokenUse.STOP and related:
        stopping.request_stop(charge_point, Reason.LOCAL, id_tag)
    elif authorizing.use is TokenUse.RELEASE and related:
        commands.unlock(charge_point)
    else:
        commands.show_refusal(charge_point, id_tag)


# --- authorized, and not charging yet ---------------------------------------------------------------


def begin_intent(
    charge_point: ChargePoint,
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


def withdraw_intent(charge_point: ChargePoint) -> None:
    """Withdraw an authorization that no session has come of."""
    end_intent(charge_point)
    commands.withdraw(charge_point)
    refresh_connection_timeout(charge_point)


def end_intent(charge_point: ChargePoint) -> None:
    """Drop the authorization that waits for its car: a session has come of it, or it is over."""
    if charge_point.state.intent is not None:
        charge_point.state.intent = None
        charge_point.cancel_timer(Timer.CONNECTION)
        charge_point.mark_dirty()


def authorize_failed(charge_point: ChargePoint) -> None:
    """Drop the authorization that waits for its car: the charger did not take it."""
    end_intent(charge_point)
    refresh_connection_timeout(charge_point)


def connection_timed_out(charge_point: ChargePoint) -> None:
    """Withdraw the authorization, or end the wait of the car: ConnectionTimeOut is over (`AZ-6`)."""
    state = charge_point.state
    if state.intent is not None:
        end_intent(charge_point)
        commands.withdraw(charge_point)
    state.preparing_until_ms = None
    if state.charger is ChargerState.AWAITING_TOKEN and charge_point.running is None:
        state.finished = True
    charge_point.mark_dirty()


def refresh_connection_timeout(charge_point: ChargePoint) -> None:
    """Start or stop the ConnectionTimeOut of a car that is plugged in without an authorization."""
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
        charge_point.mark_dirty()
    elif not waits and state.preparing_until_ms is not None:
        # An intent would have taken the timer over, and this with it.
        state.preparing_until_ms = None
        charge_point.cancel_timer(Timer.CONNECTION)
        charge_point.mark_dirty()


def connection_timeout_changed(charge_point: ChargePoint) -> None:
    """Count a running ConnectionTimeOut from now: the key was written."""
    state = charge_point.state
    if Timer.CONNECTION in charge_point.timers:
        seconds = configuration.integer(charge_point, "ConnectionTimeOut")
        until_ms = charge_point.now.utc_ms + seconds * 1000
        charge_point.set_timer(Timer.CONNECTION, seconds)
        if state.intent is not None:
            state.intent = structs.replace(state.intent, until_ms=until_ms)
        else:
            state.preparing_until_ms = until_ms
        charge_point.mark_dirty()


def resume(charge_point: ChargePoint) -> None:
    """Go on with ConnectionTimeOut, after a restart."""
    state = charge_point.state
    until_ms = state.intent.until_ms if state.intent is not None else state.preparing_until_ms
    if until_ms is not None:
        seconds = configuration.integer(charge_point, "ConnectionTimeOut")
        charge_point.set_timer_until(Timer.CONNECTION, until_ms, seconds)
