"""Identities of new charge points, by a pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.model import FoundCharger
from chargebridge.config.charge_points import check_identity
from chargebridge.config.identities import IdentityPattern
from chargebridge.config.problems import UnexpectedError

pytestmark = pytest.mark.unit


def charger(serial="EH1", **fields):
    return FoundCharger(serial, **fields)


def given_by(pattern, *chargers, taken=None, colon=True):
    named, problems = IdentityPattern(pattern).identities(chargers, taken or {}, colon=colon)
    return [identity for _, identity in named], problems


@pytest.mark.parametrize(
    ("pattern", "identity"),
    [
        ("{serial}", "EH1"),
        ("{site}-{serial}", "Tiefgarage-Sud-3-EH1"),
        ("{site_id}/{serial}", "77/EH1"),
        ("{circuit}.{serial}", "1-32-A.EH1"),
        ("{name}_{n:03}", "Platz-4_001"),
        ("CP-{n:04}", "CP-0001"),
        ("CP{n}", "CP1"),
    ],
)
def test_fields_are_filled_in_as_words(pattern, identity):
    one = charger(site="Tiefgarage Süd/3", site_id="77", circuit="1 (32 A)", name="Platz 4")
    assert given_by(pattern, one) == ([identity], [])


@pytest.mark.parametrize(
    "pattern",
    ["", "{", "x}", "{serial", "{Serial}", "{vendor}{serial}", "{serial:04}", "{n:4}{serial}", "{n:00}", "{}",
     "{serial!r}", "{serial.x}", "{{serial}}", "a\nb{serial}", "{serial}" + "x" * 200, "{0}"],
)  # fmt: skip
def test_a_bad_pattern_is_refused_with_the_fields_there_are(pattern):
    with pytest.raises(UnexpectedError, match=r"\{site\}-\{serial\} or CP-\{n:04\}"):
        IdentityPattern(pattern)


@pytest.mark.parametrize("pattern", ["CP", "{site}", "{name}-{circuit}"])
def test_a_pattern_that_gives_the_same_to_all_is_refused(pattern):
    with pytest.raises(UnexpectedError, match="so that no two are the same"):
        IdentityPattern(pattern)


def test_numbers_are_the_lowest_that_are_free():
    chargers = [charger(f"EH{number}") for number in range(4)]
    taken = {"CP-0001": "x", "CP-0003": "x", "CP-2": "x"}
    assert given_by("CP-{n:04}", *chargers, taken=taken)[0] == ["CP-0002", "CP-0004", "CP-0005", "CP-0006"]


def test_numbers_begin_anew_for_each_text_of_the_rest():
    chargers = [charger("EH1", site="A"), charger("EH2", site="B"), charger("EH3", site="A")]
    assert given_by("{site}-{n}", *chargers)[0] == ["A-1", "B-1", "A-2"]


def test_an_identity_that_is_taken_is_a_problem_that_names_both():
    named, problems = given_by(
        "{serial}", charger("EH1"), charger("EH2"), taken={"EH2": "the charge point of charger EH9"}
    )
    assert named == ["EH1"]
    (problem,) = problems
    assert problem == (
        "charger EH2: the identity 'EH2' is that of the charge point of charger EH9 already;"
        " expected another pattern, such as one with {serial} or {n}"
    )


def test_two_that_collide_are_a_problem_that_names_both():
    pattern = "x{n}{serial}"  # x1 + 1 and x11
    _, problems = given_by("{serial}", charger("EH1"), charger("EH1"))
    assert problems[0].startswith("charger EH1: the identity 'EH1' is that of charger EH1 already")
    assert given_by(pattern, charger("1"), charger("11"))[1] == []


@pytest.mark.parametrize(
    ("pattern", "one", "problem"),
    [
        ("{site}-{serial}", charger(), "nothing for {site}"),
        ("{site}-{serial}", charger(site="車庫"), "nothing for {site}"),
        ("{site}-{serial}", charger(site="x" * 60), "64 characters; expected an identity of 1 to 48"),
        ("{serial}", charger("."), "HTTP servers do not take for a folder"),
    ],
)
def test_what_is_no_identity_of_ocpp_is_a_problem_that_names_the_charger(pattern, one, problem):
    named, problems = given_by(pattern, one)
    assert named == []
    assert problems[0].startswith(f"charger {one.serial}: ")
    assert problem in problems[0]


def test_a_colon_is_a_problem_where_there_is_a_password():
    assert given_by("A:{serial}", charger())[0] == ["A:EH1"]
    assert "without ':', as HTTP Basic cannot hold it" in given_by("A:{serial}", charger(), colon=False)[1][0]


@given(
    st.lists(
        st.builds(FoundCharger, st.text("EH0123", min_size=1, max_size=5), site=st.text(max_size=60)),
        max_size=8,
    ),
    st.sampled_from(["{serial}", "{site}-{serial}", "CP-{n:02}", "{site}{n}", "{site}-{n}-{serial}"]),
    st.lists(st.sampled_from(["CP-01", "CP-02", "EH0", "E", "-1"])),
)
def test_whatever_comes_identities_are_valid_free_and_different(chargers, pattern, taken):
    named, problems = IdentityPattern(pattern).identities(chargers, dict.fromkeys(taken, "x"))
    identities = [check_identity(identity) for _, identity in named]
    assert len(set(identities)) == len(identities)
    assert not set(identities) & set(taken)
    assert len(named) + len(problems) == len(chargers)


def test_5000_are_numbered_at_once():
    chargers = [charger(f"EH{number:06}") for number in range(5000)]
    named, problems = given_by("CP-{n:04}", *chargers)
    assert (named[0], named[-1], problems) == ("CP-0001", "CP-5000", [])
