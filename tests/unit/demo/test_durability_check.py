"""The durability check: accepted values against the store of a killed gateway."""

import pytest

from chargebridge.demo.durability_check import DurabilityCheck, Subject

pytestmark = pytest.mark.unit

KEY = ("CP1", Subject.CONFIGURATION)


def accepted(*values: str) -> DurabilityCheck:
    check = DurabilityCheck()
    for value in values:
        check.record_request(*KEY, value)
        check.record_acceptance(*KEY, value)
    return check


def test_what_was_accepted_is_there():
    check = accepted("1", "2")
    assert check.find_lost({KEY: "2"}) == []
    assert check.checks == 1


@pytest.mark.parametrize("stored", [{}, {KEY: "1"}, {("CP2", Subject.CONFIGURATION): "2"}])
def test_what_was_accepted_and_is_not_there_is_broken(stored: dict[tuple[str, Subject], str]):
    (line,) = accepted("1", "2").find_lost(stored)
    assert line.startswith("CP1: MeterValueSampleInterval was accepted as 2, and is")


def test_what_was_not_answered_may_be_there_or_not():
    for found in ("1", "2", "3"):
        check = accepted("1")
        check.record_request(*KEY, "2")
        check.record_request(*KEY, "3")
        assert check.find_lost({KEY: found}) == []
    check = accepted("1")
    check.record_request(*KEY, "2")
    assert len(check.find_lost({KEY: "4"})) == 1


def test_what_was_found_once_has_to_stay():
    check = accepted("1")
    check.record_request(*KEY, "2")
    assert check.find_lost({KEY: "2"}) == []
    assert check.find_lost({KEY: "2"}) == []
    assert len(check.find_lost({KEY: "1"})) == 1


def test_a_later_answer_makes_up_for_the_unanswered_before_it():
    check = DurabilityCheck()
    check.record_request(*KEY, "1")
    check.record_request(*KEY, "2")
    check.record_request(*KEY, "3")
    check.record_acceptance(*KEY, "2")
    assert len(check.find_lost({KEY: "1"})) == 1
    check.record_request(*KEY, "3")
    check.record_acceptance(*KEY, "3")
    assert check.find_lost({KEY: "3"}) == []


def test_what_was_refused_must_not_be_there():
    check = accepted("1")
    check.record_request(*KEY, "2")
    check.record_refusal(*KEY, "2")
    assert len(check.find_lost({KEY: "2"})) == 1


def test_what_was_never_accepted_is_not_looked_for():
    check = DurabilityCheck()
    check.record_request(*KEY, "1")
    assert check.find_lost({}) == []
    assert check.find_lost({KEY: "9"}) == []
    assert check.checks == 0
