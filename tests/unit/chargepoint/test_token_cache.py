"""What is remembered of tokens (`CA-*`), and what list and cache decide by themselves (section 6.1)."""

import pytest

from chargebridge.chargepoint.records import PutCached, Token
from chargebridge.chargepoint.turn import ChargerReleased
from chargebridge.chargers.model import Authorize, Capability, ChargerState, ClearCache, SessionStarted
from chargebridge.clock import format_utc

pytestmark = pytest.mark.unit

S = ChargerState
HOUR_MS = 3_600_000
NO_CACHE = frozenset(Capability) - {Capability.CACHE}


def write(bench, **keys):
    for key, value in keys.items():
        assert bench.ask("ChangeConfiguration", {"key": key, "value": value}) == {"status": "Accepted"}


def listed(bench, status, **info):
    entry = {"idTag": "TAG1", "idTagInfo": {"status": status, **info}}
    payload = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    assert bench.ask("SendLocalList", payload) == {"status": "Accepted"}


def cached(bench, status, expires_ms=None, parent=None, id_tag="TAG1"):
    bench.store.commit([PutCached(Token(id_tag, status, expires_ms, parent), 0, 500)])


def word_of_the_cache(bench, id_tag="TAG1"):
    token = bench.store.cached.get(id_tag.lower())
    return None if token is None else (token.status, token.expires_ms, token.parent_id_tag)


def answer_until(bench, action):
    while bench.open_call[1] != action:
        bench.answer()


def decision(bench):
    """What became of a token: `ask`, `start` or `refuse`."""
    asked = [action for action, _ in bench.said() if action == "Authorize"]
    verdicts = ["start" if command.accepted else "refuse" for command in bench.asked(Authorize)]
    (word,) = verdicts + ["ask"] * len(asked)
    return word


KNOWN = {
    "listed Accepted": lambda bench: listed(bench, "Accepted"),
    "listed ConcurrentTx": lambda bench: listed(bench, "ConcurrentTx"),
    "listed until later": lambda bench: listed(
        bench, "Accepted", expiryDate=format_utc(bench.utc_ms + HOUR_MS)
    ),
    "listed Blocked": lambda bench: listed(bench, "Blocked"),
    "listed Expired": lambda bench: listed(bench, "Expired"),
    "listed until now": lambda bench: listed(bench, "Accepted", expiryDate=format_utc(bench.utc_ms)),
    "cached Accepted": lambda bench: cached(bench, "Accepted"),
    "cached until later": lambda bench: cached(bench, "Accepted", bench.utc_ms + HOUR_MS),
    "cached Invalid": lambda bench: cached(bench, "Invalid"),
    "cached ConcurrentTx": lambda bench: cached(bench, "ConcurrentTx"),
    "cached until now": lambda bench: cached(bench, "Accepted", bench.utc_ms),
    "nowhere": lambda bench: None,
}
VALID = [
    "listed Accepted",
    "listed ConcurrentTx",
    "listed until later",
    "cached Accepted",
    "cached until later",
]
REFUSED = [
    "listed Blocked",
    "listed Expired",
    "listed until now",
    "cached Invalid",
    "cached ConcurrentTx",
    "cached until now",
]
COLUMNS = {
    "online": ("false", "true", "false", True),
    "online, unknown allowed": ("false", "true", "true", True),
    "online, pre-authorizing": ("true", "true", "false", True),
    "offline": ("true", "true", "false", False),
    "offline, deciding nothing": ("true", "false", "false", False),
    "offline, unknown allowed": ("false", "true", "true", False),
    "offline, deciding nothing, unknown allowed": ("false", "false", "true", False),
}
"""LocalPreAuthorize, LocalAuthorizeOffline, AllowOfflineTxForUnknownId; whether there is a link."""
TABLE = {
    "online": ("ask", "ask", "ask"),
    "online, unknown allowed": ("ask", "ask", "ask"),
    "online, pre-authorizing": ("start", "ask", "ask"),
    "offline": ("start", "refuse", "refuse"),
    "offline, deciding nothing": ("refuse", "refuse", "refuse"),
    "offline, unknown allowed": ("start", "refuse", "start"),
    "offline, deciding nothing, unknown allowed": ("start", "refuse", "start"),
}
"""For each column: a valid token, one that is known and not valid, an unknown one."""
CELLS = [
    (known, column, decided)
    for column, (valid, refused, unknown) in TABLE.items()
    for known, decided in [
        *[(known, valid) for known in VALID],
        *[(known, refused) for known in REFUSED],
        ("nowhere", unknown),
    ]
]


class TestDecisions:
    @pytest.mark.parametrize(("known", "column", "decided"), CELLS)
    def test_6_1_what_is_decided_here_and_what_is_asked(self, ready, known, column, decided):
        pre_authorize, authorize_offline, unknown_allowed, online = COLUMNS[column]
        write(
            ready,
            LocalPreAuthorize=pre_authorize,
            LocalAuthorizeOffline=authorize_offline,
            AllowOfflineTxForUnknownId=unknown_allowed,
        )
        KNOWN[known](ready)
        ready.serve()
        ready.asked()
        if not online:
            ready.link_down()
        ready.token("tag1")
        assert decision(ready) == decided

    @pytest.mark.parametrize("how", ["refused", "silent", "link lost"])
    @pytest.mark.parametrize(
        ("known", "decided"),
        [("cached Accepted", "start"), ("listed Blocked", "refuse"), ("nowhere", "refuse")],
    )
    def test_6_1_an_authorize_that_is_not_answered_is_decided_as_offline(self, ready, known, decided, how):
        KNOWN[known](ready)
        ready.serve()
        ready.asked()
        ready.token()
        assert decision(ready) == "ask"
        match how:
            case "refused":
                ready.refuse()
            case "silent":
                ready.wait(30)
                ready.answer()
            case "link lost":
                ready.link_down()
        assert decision(ready) == decided

    def test_3_5_3_the_list_goes_before_the_cache(self, ready):
        listed(ready, "Blocked")
        ready.store.cached["tag1"] = Token("TAG1", "Accepted")
        ready.link_down()
        ready.token()
        assert decision(ready) == "refuse"

    @pytest.mark.parametrize(
        ("key", "known"), [("LocalAuthListEnabled", "listed"), ("AuthorizationCacheEnabled", "cached")]
    )
    def test_what_is_switched_off_does_not_count(self, ready, key, known):
        KNOWN[f"{known} Accepted"](ready)
        write(ready, **{key: "false"})
        ready.link_down()
        ready.token()
        assert decision(ready) == "refuse"

    @pytest.mark.parametrize(("known", "decided"), [("cached Accepted", "start"), ("nowhere", "ask")])
    def test_rs_2_a_remote_start_is_decided_like_a_token_at_the_reader(self, ready, known, decided):
        write(ready, AuthorizeRemoteTxRequests="true", LocalPreAuthorize="true")
        KNOWN[known](ready)
        ready.said()
        assert ready.ask("RemoteStartTransaction", {"idTag": "TAG1"}) == {"status": "Accepted"}
        assert decision(ready) == decided

    def test_an_authorize_is_not_sent_before_list_and_cache_have_spoken(self, ready):
        ready.said()
        ready.hold_pages = True
        ready.token()
        ready.wait(100)
        assert [action for action, _ in ready.said()] == []
        ready.deliver_pages()
        assert decision(ready) == "ask"

    def test_a_link_that_drops_before_they_have_spoken_leaves_it_to_them(self, ready):
        KNOWN["cached Accepted"](ready)
        ready.hold_pages = True
        ready.token()
        ready.link_down()
        assert ready.asked() == []
        ready.deliver_pages()
        assert decision(ready) == "start"

    def test_a_link_that_comes_back_before_they_have_spoken_is_asked(self, ready):
        ready.hold_pages = True
        ready.token()
        ready.link_down()
        ready.link_up()
        ready.serve()
        ready.deliver_pages()
        assert decision(ready) == "ask"

    def test_what_they_say_of_a_charger_that_was_taken_away_means_nothing(self, ready):
        KNOWN["cached Accepted"](ready)
        write(ready, LocalPreAuthorize="true")
        ready.hold_pages = True
        ready.token()
        ready.turn(ChargerReleased())
        ready.reachable()
        ready.state(S.AWAITING_TOKEN)
        ready.deliver_pages()
        assert ready.asked(Authorize) == []

    def test_a_session_that_began_before_they_have_spoken_goes_on(self, ready):
        KNOWN["cached Accepted"](ready)
        write(ready, LocalPreAuthorize="true")
        ready.hold_pages = True
        ready.token()
        ready.begin(id_tag="KEYFOB")
        ready.deliver_pages()
        assert decision(ready) == "refuse"

    def test_free_charging_needs_no_authorization(self, new_bench):
        bench = new_bench("easee").ready()
        write(bench, freecharging="true", rfidtagfreecharging="FREE1")
        bench.obey()
        bench.said()
        bench.state(S.AWAITING_TOKEN)
        bench.wait(1)
        bench.begin(id_tag="FREE1")
        bench.state(S.CHARGING)
        said = [action for action, _ in bench.serve()]
        assert "Authorize" not in said
        assert "StartTransaction" in said
        assert bench.asked() == []

    def test_free_charging_goes_on_offline(self, new_bench):
        bench = new_bench("easee").ready()
        write(bench, freecharging="true", rfidtagfreecharging="FREE1")
        bench.obey()
        bench.link_down()
        bench.tell(SessionStarted(at_ms=bench.utc_ms, session=1, id_tag="FREE1", register_wh=0))
        assert bench.asked() == []
        assert bench.cp.running.id_tag == "FREE1"


class TestCache:
    @pytest.mark.parametrize("status", ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
    def test_ca_1_learns_from_every_answer_to_authorize(self, ready, status):
        ready.token()
        info = {"status": status, "expiryDate": "2026-02-01T00:00:00Z", "parentIdTag": "FAMILY"}
        ready.answer({"idTagInfo": info})
        assert word_of_the_cache(ready) == (status, 1_769_904_000_000, "FAMILY")

    @pytest.mark.parametrize("status", ["Accepted", "Blocked"])
    def test_ca_1_learns_from_every_answer_to_a_start(self, ready, status):
        ready.begin()
        answer_until(ready, "StartTransaction")
        ready.answer({"transactionId": 7, "idTagInfo": {"status": status}})
        assert word_of_the_cache(ready) == (status, None, None)

    def test_ca_1_learns_of_the_tag_that_stopped(self, new_bench):
        bench = new_bench().ready().charging()
        bench.token("tag1")
        bench.end()
        answer_until(bench, "StopTransaction")
        bench.answer({"idTagInfo": {"status": "Expired"}})
        assert word_of_the_cache(bench) == ("Expired", None, None)

    def test_ca_1_learns_nothing_of_a_stop_without_a_tag(self, charging):
        charging.store.cached.clear()
        charging.ask("RemoteStopTransaction", {"transactionId": 7})
        charging.end()
        answer_until(charging, "StopTransaction")
        charging.answer({"idTagInfo": {"status": "Expired"}})
        assert charging.store.cached == {}

    def test_tx_11_an_answer_to_a_stop_that_nobody_understands_is_an_answer(self, charging):
        charging.token("tag1")
        charging.end()
        answer_until(charging, "StopTransaction")
        charging.answer({"idTagInfo": {"status": "Perhaps"}})
        assert charging.store.queue == {}

    def test_ca_2_an_accepted_token_whose_time_has_passed_becomes_expired(self, ready):
        cached(ready, "Accepted", ready.utc_ms, "FAMILY")
        expired_ms = ready.utc_ms
        ready.link_down()
        ready.token()
        assert word_of_the_cache(ready) == ("Expired", expired_ms, "FAMILY")

    def test_ca_3_the_cache_has_room_for_500(self, ready):
        ready.token()
        ready.answer()
        records = [record for _, effects in ready.turns for record in effects.records]
        (put,) = [record for record in records if isinstance(record, PutCached)]
        assert put == PutCached(Token("TAG1", "Accepted"), ready.utc_ms, 500)

    def test_ca_4_it_outlives_a_restart(self, ready):
        write(ready, AllowOfflineTxForUnknownId="true")
        ready.token()
        ready.answer({"idTagInfo": {"status": "Blocked"}})
        ready.restart()
        ready.asked()
        ready.wait(1)
        ready.said()
        ready.token()
        assert decision(ready) == "refuse"

    def test_it_learns_nothing_while_it_is_switched_off(self, ready):
        write(ready, AuthorizationCacheEnabled="false")
        cached(ready, "Accepted", ready.utc_ms)
        ready.token()
        ready.answer({"idTagInfo": {"status": "Blocked"}})
        assert word_of_the_cache(ready)[0] == "Accepted"


class TestClearCache:
    def test_ca_5_forgets_here_and_in_the_charger(self, ready):
        cached(ready, "Accepted")
        assert ready.ask("ClearCache") == {"status": "Accepted"}
        assert ready.store.cached == {}
        assert [type(command) for command in ready.asked()] == [ClearCache]

    def test_ca_5_a_charger_without_a_cache_is_not_asked(self, new_bench):
        bench = new_bench(capabilities=NO_CACHE).ready()
        bench.reachable(False)
        cached(bench, "Accepted")
        assert bench.ask("ClearCache") == {"status": "Accepted"}
        assert (bench.store.cached, bench.asked()) == ({}, [])

    def test_ca_5_is_rejected_and_changes_nothing_while_the_charger_is_away(self, ready):
        cached(ready, "Accepted")
        ready.reachable(False)
        assert ready.ask("ClearCache") == {"status": "Rejected"}
        assert ready.asked() == []
        assert word_of_the_cache(ready) == ("Accepted", None, None)

    def test_ca_5_is_accepted_while_the_cache_is_switched_off(self, ready):
        write(ready, AuthorizationCacheEnabled="false")
        assert ready.ask("ClearCache") == {"status": "Accepted"}

    def test_leaves_the_list_alone(self, ready):
        listed(ready, "Accepted")
        ready.ask("ClearCache")
        assert list(ready.store.listed) == ["tag1"]
        assert ready.ask("GetLocalListVersion") == {"listVersion": 1}
