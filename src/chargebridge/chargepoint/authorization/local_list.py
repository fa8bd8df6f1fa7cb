"""The local authorization list, as the central system sends it (`LL-*`, OCPP 1.6 §3.5.2, §5.10, §5.15).

It lies in the store and nothing but SendLocalList changes it (`LL-8`). Its version is 0 exactly while
it is empty (`LL-2`).
"""

from chargebridge.chargepoint.authorization import known_tokens
from chargebridge.chargepoint.charger import list_copy
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.volatile import HeldList, TokenStatus
from chargebridge.chargepoint.records import ChangeLocalList, Token, TokenQuery, TokensFound
from chargebridge.chargepoint.rules import tokens
from chargebridge.chargepoint.rules.keys import MAX_LISTED, MAX_LISTED_AT_ONCE
from chargebridge.chargepoint.rules.tokens import ID_TAG_LIMIT, LISTED_AS_VALID
from chargebridge.chargepoint.turn import NoticeKind, ReadStore
from chargebridge.ocpp16.datatypes import AuthorizationData
from chargebridge.ocpp16.enums import AuthorizationStatus, UpdateStatus, UpdateType
from chargebridge.ocpp16.messages import GetLocalListVersionResponse, SendLocalList, SendLocalListResponse
from chargebridge.ocpp16.text import fit, same_token, token_key

_NOT_SUPPORTED = -1


def get_version(charge_point: ChargePoint) -> GetLocalListVersionResponse:
    """Answer GetLocalListVersion: -1 while the list is switched off (`LL-1`)."""
    version = (
        charge_point.state.list_version
        if configuration.boolean(charge_point, "LocalAuthListEnabled")
        else _NOT_SUPPORTED
    )
    return GetLocalListVersionResponse(list_version=version)


def switched(charge_point: ChargePoint) -> None:
    """Send the charger the list, or an empty one: LocalAuthListEnabled was written."""
    _changed(charge_point)


def _changed(charge_point: ChargePoint) -> None:
    charge_point.state.list_revision += 1
    charge_point.state.list_conflict = None
    charge_point.mark_dirty()
    list_copy.synchronize(charge_point)


# --- SendLocalList ----------------------------------------------------------------------------------


def send_local_list(
    charge_point: ChargePoint, request: SendLocalList, call_id: str
) -> SendLocalListResponse | None:
    """Answer SendLocalList; a Differential one when the store has read the listed tokens.

    What fails leaves list and version as they were (`LL-6`). The charger's own copy follows later.
    """
    status = _refusal(charge_point, request)
    if status is not None:
        return SendLocalListResponse(status=status)
    entries = request.local_authorization_list or ()
    if request.update_type is UpdateType.FULL:
        _put_into_effect(charge_point, request, len(entries))
        return SendLocalListResponse(status=UpdateStatus.ACCEPTED)
    query = TokenQuery(tuple(one.id_tag for one in entries))
    charge_point.held_list = HeldList(call_id, request, query)
    charge_point.emit(ReadStore(query))
    return None


def _refusal(charge_point: ChargePoint, request: SendLocalList) -> UpdateStatus | None:
    if not configuration.boolean(charge_point, "LocalAuthListEnabled"):
        return UpdateStatus.NOT_SUPPORTED  # LL-7
    entries, full = request.local_authorization_list or (), request.update_type is UpdateType.FULL
    clears = full and not entries
    if request.list_version <= 0 and not clears:
        return UpdateStatus.FAILED  # LL-5
    outdated = request.list_version <= charge_point.state.list_version or charge_point.state.list_outdated
    if not full and outdated:
        return UpdateStatus.VERSION_MISMATCH  # LL-4
    named_twice = len({token_key(one.id_tag) for one in entries}) < len(entries)
    incomplete = full and any(one.id_tag_info is None for one in entries)
    # No reader presents such a tag, and none of our messages could carry it.
    unusable = any(not one.id_tag or fit(one.id_tag, ID_TAG_LIMIT) != one.id_tag for one in entries)
    if len(entries) > MAX_LISTED_AT_ONCE or named_twice or incomplete or unusable:
        return UpdateStatus.FAILED  # LL-6
    if charge_point.held_list is not None:
        return UpdateStatus.FAILED  # one at a time: the one before is not in effect yet
    return None


def tokens_read(charge_point: ChargePoint, query: TokenQuery, found: TokensFound) -> None:
    """Answer the Differential update that waited for these tokens, and check them for conflicts."""
    held = charge_point.held_list
    if held is not None and held.query is query:  # an equal one may be older than the list
        charge_point.held_list = None
        if not charge_point.silent:  # else it cannot be answered, and is as good as unsaid
            status = _amend(charge_point, held.request, found)
            charge_point.answer(held.call_id, SendLocalListResponse(status=status))
    _compare(charge_point, query, found)


def _amend(charge_point: ChargePoint, request: SendLocalList, found: TokensFound) -> UpdateStatus:
    entries = request.local_authorization_list or ()
    listed = {token_key(token.id_tag) for token in found.listed}
    put = {token_key(one.id_tag) for one in entries if one.id_tag_info is not None}
    dropped = {token_key(one.id_tag) for one in entries} - put
    length = found.list_length + len(put - listed) - len(dropped & listed)
    if length > MAX_LISTED:
        return UpdateStatus.FAILED  # LL-6
    _put_into_effect(charge_point, request, length)
    return UpdateStatus.ACCEPTED


def _put_into_effect(charge_point: ChargePoint, request: SendLocalList, length: int) -> None:
    """Change the list to what it is to be, of this length."""
    entries = request.local_authorization_list or ()
    charge_point.record(
        ChangeLocalList(
            full=request.update_type is UpdateType.FULL,
            put=tuple(_tokens(entries)),
            drop=tuple(one.id_tag for one in entries if one.id_tag_info is None),
        )
    )
    charge_point.state.list_version = request.list_version if length else 0  # LL-2
    charge_point.state.list_outdated = False
    _changed(charge_point)


def _tokens(entries: tuple[AuthorizationData, ...]) -> list[Token]:
    return [tokens.entry(one.id_tag, one.id_tag_info) for one in entries if one.id_tag_info is not None]


def link_lost(charge_point: ChargePoint) -> None:
    """Drop a held update with its link; it has changed nothing."""
    charge_point.held_list = None


# --- conflicts --------------------------------------------------------------------------------------


def check_conflict_later(charge_point: ChargePoint, id_tag: str, status: AuthorizationStatus) -> None:
    """Compare the central system's status of a token with the list's, which is read first (`LL-9`)."""
    if charge_point.state.list_version and configuration.boolean(charge_point, "LocalAuthListEnabled"):
        charge_point.token_statuses = (*charge_point.token_statuses, TokenStatus(id_tag, status))
        charge_point.emit(ReadStore(TokenQuery((id_tag,))))


def _compare(charge_point: ChargePoint, query: TokenQuery, found: TokensFound) -> None:
    waiting = charge_point.token_statuses
    read = tuple(token_status for token_status in waiting if query.id_tags == (token_status.id_tag,))
    if read:
        charge_point.token_statuses = tuple(
            token_status for token_status in waiting if token_status not in read
        )
    for id_tag, status in read:
        check_conflict(charge_point, id_tag, status, known_tokens.known(charge_point, found, id_tag).listed)


def check_conflict(
    charge_point: ChargePoint, id_tag: str, status: AuthorizationStatus, listed: Token | None
) -> None:
    """Report LocalListConflict where the central system contradicts its own list (`LL-9`).

    On connector 0, once, until the list changes, the central system agrees with it, or contradicts another
    entry.
    """
    state = charge_point.state
    reported = state.list_conflict is not None and same_token(state.list_conflict, id_tag)
    contradicted = (
        listed is not None
        and tokens.listed_as_valid(listed, charge_point.now.utc_ms)
        != (status in LISTED_AS_VALID)  # ConcurrentTx: the token as such is good
    )
    if contradicted != reported:
        state.list_conflict = id_tag if contradicted else None
        charge_point.mark_dirty()
        if contradicted:
            charge_point.notice(NoticeKind.LOCAL_LIST_CONFLICT, "")
