"""What the central system was told is so, against what a killed gateway has kept."""

import pytest

from chargebridge.demo.promises import Promises, Subject

pytestmark = pytest.mark.unit

KEY = ("CP1", Subject.CONFIGURATION)


def accepted(*values: str) -> Promises:
    promises = Promises()
    for value in values:
        promises.asked(*KEY, value)
        promises.accepted(*KEY, value)
    return promises


def test_what_was_accepted_is_there():
    promises = accepted("1", "2")
    assert promises.broken({KEY: "2"}) == []
    assert promises.checked == 1


@pytest.mark.parametrize("memory", [{}, {KEY: "1"}, {("CP2", Subject.CONFIGURATION): "2"}])
def test_what_was_accepted_and_is_not_there_is_broken(memory: dict[tuple[str, Subject], str]):
    (line,) = accepted("1", "2").broken(memory)
    assert line.startswith("CP1: MeterValueSampleInterval was accepted as 2, and is")


def test_what_was_not_answered_may_be_there_or_not():
    for found in ("1", "2", "3"):
        promises = accepted("1")
        promises.asked(*KEY, "2")
        promises.asked(*KEY, "3")
        assert promises.broken({KEY: found}) == []
    promises = accepted("1")
    promises.asked(*KEY, "2")
    assert len(promises.broken({KEY: "4"})) == 1


def test_what_was_found_once_has_to_stay():
    promises = accepted("1")
    promises.asked(*KEY, "2")
    assert promises.broken({KEY: "2"}) == []
    assert promises.broken({KEY: "2"}) == []
    assert len(promises.broken({KEY: "1"})) == 1


def test_a_later_answer_makes_up_for_the_unanswered_before_it():
    promises = Promises()
    promises.asked(*KEY, "1")
    promises.asked(*KEY, "2")
    promises.asked(*KEY, "3")
    promises.accepted(*KEY, "2")
    assert len(promises.broken({KEY: "1"})) == 1
    promises.asked(*KEY, "3")
    promises.accepted(*KEY, "3")
    assert promises.broken({KEY: "3"}) == []


def test_what_was_refused_must_not_be_there():
    promises = accepted("1")
    promises.asked(*KEY, "2")
    promises.refused(*KEY, "2")
    assert len(promises.broken({KEY: "2"})) == 1


def test_what_was_never_accepted_is_not_looked_for():
    promises = Promises()
    promises.asked(*KEY, "1")
    assert promises.broken({}) == []
    assert promises.broken({KEY: "9"}) == []
    assert promises.checked == 0
