"""The local list and the cache of idTags: what they hold, and in which order they change."""

from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chargebridge.chargepoint.records import (
    ChangeLocalList,
    ClearTokenCache,
    ListFound,
    ListQuery,
    PutCached,
    Token,
    TokenQuery,
    TokensFound,
)

pytestmark = pytest.mark.integration


def listed(*tags, full=False):
    return ChangeLocalList(full=full, put=tuple(Token(tag, "Accepted") for tag in tags))


def cached(tag, at_ms, status="Accepted", room=9):
    return PutCached(Token(tag, status), at_ms, room)


def in_list(written, charge_point=1):
    return [token.id_tag for token in written.ask(ListQuery(), charge_point).tokens]


def in_cache(written, *tags, charge_point=1):
    return [token.id_tag for token in written.ask(TokenQuery(tags), charge_point).cached]


# --- the list -----------------------------------------------------------------------------------


def test_the_list_keeps_all_that_is_said_of_a_token(written):
    token = Token("AA", "Blocked", 1_700_000_000_000, "PARENT")
    written.commit(ChangeLocalList(full=True, put=(Token("B", "Accepted"), token)))
    assert written.ask(ListQuery()) == ListFound((token, Token("B", "Accepted")))


def test_an_update_adds_replaces_and_drops_without_regard_to_case(written):
    written.commit(listed("aa", "bb", "cc", full=True))
    update = ChangeLocalList(full=False, put=(Token("AA", "Blocked"), Token("dd", "Accepted")), drop=("BB",))
    written.commit(update)
    assert written.ask(ListQuery()) == ListFound(
        (Token("AA", "Blocked"), Token("cc", "Accepted"), Token("dd", "Accepted"))
    )


def test_a_full_list_replaces_everything(written):
    written.commit(listed("a", "b", full=True))
    written.commit(listed("c", full=True))
    assert in_list(written) == ["c"]
    written.commit(ChangeLocalList(full=True))
    assert in_list(written) == []


def test_a_long_list_is_kept_whole(written):
    tags = [f"TAG{number:04d}" for number in range(3000)]
    written.commit(listed(*tags, full=True))
    written.commit(ChangeLocalList(full=False, drop=tuple(tag.lower() for tag in tags[1::2])))
    assert in_list(written) == tags[::2]


def test_each_charge_point_has_a_list_and_a_cache_of_its_own(written):
    written.commit_batch([(1, listed("a", full=True)), (2, cached("b", 1)), (1, cached("c", 1))])
    written.commit_batch([(2, ChangeLocalList(full=True)), (2, listed("c")), (1, ClearTokenCache())])
    assert (in_list(written), in_cache(written, "b", "c")) == (["a"], [])
    assert (in_list(written, 2), in_cache(written, "b", "c", charge_point=2)) == (["c"], ["b"])


# --- the cache ----------------------------------------------------------------------------------


def test_the_cache_keeps_the_newest_word_on_a_token(written):
    newest = Token("TAG", "Expired", 5, "PARENT")
    written.commit(cached("tag", 1), PutCached(newest, 2, 9))
    assert written.ask(TokenQuery(("tAg",))) == TokensFound(cached=(newest,))


def test_what_the_list_holds_does_not_enter_the_cache(written):
    written.commit(listed("tag", full=True), cached("TAG", 1))
    assert in_cache(written, "tag") == []


def test_what_is_listed_leaves_the_cache(written):
    written.commit(cached("tag", 1), cached("other", 2))
    written.commit(listed("TAG"))
    assert in_cache(written, "tag", "other") == ["other"]


def test_what_leaves_the_list_may_be_cached_again_in_the_same_commit(written):
    written.commit(listed("tag", full=True))
    written.commit(cached("tag", 1), ChangeLocalList(full=True), cached("tag", 2))
    assert in_cache(written, "tag") == ["tag"]


def test_a_full_cache_drops_what_is_not_valid_first_and_the_oldest_of_it(written):
    for at_ms, (tag, status) in enumerate(
        [("a", "Accepted"), ("b", "Blocked"), ("c", "Invalid"), ("d", "Accepted")]
    ):
        written.commit(cached(tag, at_ms, status))
    written.commit(cached("e", 10, room=4))
    assert in_cache(written, *"abcde") == ["a", "c", "d", "e"]
    written.commit(cached("f", 11, room=4))
    assert in_cache(written, *"abcdef") == ["a", "d", "e", "f"]
    written.commit(cached("g", 12, room=4))
    assert in_cache(written, *"abcdefg") == ["d", "e", "f", "g"]


def test_a_cache_that_has_become_smaller_makes_room_at_the_next_entry(written):
    written.commit(*(cached(tag, at_ms) for at_ms, tag in enumerate("abcde")))
    written.commit(cached("f", 9, room=2))
    assert in_cache(written, *"abcdef") == ["e", "f"]


def test_a_cleared_cache_is_empty_and_fills_again(written):
    written.commit(cached("a", 1), ClearTokenCache(), cached("b", 2))
    assert in_cache(written, "a", "b") == ["b"]


# --- the questions ------------------------------------------------------------------------------


def test_tokens_are_found_in_list_and_cache_without_regard_to_case(written):
    written.commit(listed("Driver", "x", "y", full=True), cached("Parent", 1), cached("z", 1))
    assert written.ask(TokenQuery(("DRIVER", "parent", "nobody"))) == TokensFound(
        listed=(Token("Driver", "Accepted"),), cached=(Token("Parent", "Accepted"),), list_length=3
    )
    assert written.ask(TokenQuery(())) == TokensFound(list_length=3)


def test_an_empty_list_is_found_empty(written):
    assert written.ask(ListQuery()) == ListFound()
    assert written.ask(TokenQuery(("a",))) == TokensFound()


def test_the_views_show_whose_tokens_they_are_and_iso_times(written):
    written.commit(ChangeLocalList(full=True, put=(Token("A", "Accepted", 1_700_000_000_000, "P"),)))
    written.commit(cached("B", 1_700_000_000_000))
    shown = written.connection.execute("SELECT * FROM readable_local_list").fetchall()
    assert shown == [("CP1", "cs", "A", "Accepted", "2023-11-14T22:13:20.000Z", "P")]
    shown = written.connection.execute("SELECT * FROM readable_token_cache").fetchall()
    assert shown == [("CP1", "cs", "B", "Accepted", None, None, "2023-11-14T22:13:20.000Z")]


# --- in order, however they are committed -------------------------------------------------------

TAGS = ("a", "A", "b", "B", "ä", "Ä", "c")
tokens = st.builds(Token, st.sampled_from(TAGS), st.sampled_from(["Accepted", "Blocked"]))
records = st.one_of(
    st.builds(PutCached, tokens, st.integers(1, 5), st.integers(0, 3)),
    st.builds(
        ChangeLocalList,
        st.booleans(),
        st.lists(tokens, max_size=3).map(tuple),
        st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    ),
    st.just(ClearTokenCache()),
)


def fold(tag):
    """Only letters of ASCII have two cases."""
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in tag)


class Model:
    """What list and cache of one charge point hold, in plain dictionaries."""

    def __init__(self):
        self.list, self.cache = {}, {}

    def take(self, record):
        match record:
            case ChangeLocalList(full, put, drop):
                if full:
                    self.list = {}
                for token in put:
                    self.list[fold(token.id_tag)] = token
                    self.cache.pop(fold(token.id_tag), None)
                for tag in drop:
                    self.list.pop(fold(tag), None)
            case PutCached(token, at_ms, room):
                if fold(token.id_tag) not in self.list:
                    self.cache[fold(token.id_tag)] = (token, at_ms)
                    while len(self.cache) > room:
                        del self.cache[min(self.cache, key=self.worth)]
            case ClearTokenCache():
                self.cache = {}

    def worth(self, tag):
        token, at_ms = self.cache[tag]
        return token.status == "Accepted", at_ms, tag

    def all(self):
        cache = tuple(token for _, (token, _) in sorted(self.cache.items()))
        whole = tuple(token for _, token in sorted(self.list.items()))
        return whole, cache


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.integers(1, 2), records), max_size=20), cuts=st.sets(st.integers(1, 19)))
def test_list_and_cache_change_in_order_however_their_changes_are_batched(write_anew, plan, cuts):
    models = {1: Model(), 2: Model()}
    for charge_point, record in plan:
        models[charge_point].take(record)
    edges = [0, *sorted(cut for cut in cuts if cut < len(plan)), len(plan)]
    with closing(write_anew()) as written:
        for begin, end in pairwise(edges):
            written.commit_batch(plan[begin:end])
        for charge_point, model in models.items():
            found = written.ask(TokenQuery(TAGS), charge_point)
            assert (found.listed, found.cached) == model.all()
            assert written.ask(ListQuery(), charge_point).tokens == found.listed
            assert found.list_length == len(found.listed)
