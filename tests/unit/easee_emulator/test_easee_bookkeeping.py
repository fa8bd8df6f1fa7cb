"""Tokens, circuits, the outbox of the bus, acknowledgements, faults, statistics."""

import pytest

from chargebridge.clock import Instant
from chargebridge.emulators.easee_cloud import EaseeCloudSettings, Misbehaviour, Statistics
from chargebridge.emulators.easee_cloud.accounts import SESSIONS_KEPT, Accounts
from chargebridge.emulators.easee_cloud.acknowledgement import PendingAcknowledgement
from chargebridge.emulators.easee_cloud.bus.outbox import BusMessage, Outbox
from chargebridge.emulators.easee_cloud.charger.layout import Layout
from chargebridge.emulators.easee_cloud.misbehaviour import Dice, parse
from chargebridge.emulators.easee_cloud.rest.rate_limits import RateLimit

pytestmark = pytest.mark.unit


class HandClock:
    """A clock that stands until it is set."""

    speed = 1.0

    def __init__(self) -> None:
        self.utc_ms = 1_800_000_000_000

    def now(self) -> Instant:
        return Instant(self.utc_ms, self.utc_ms / 1000)


class TestTokens:
    def accounts(self) -> tuple[Accounts, HandClock]:
        clock = HandClock()
        return Accounts(EaseeCloudSettings(token_life_s=100, refresh_life_s=1000), clock), clock

    def test_an_access_token_ends_and_its_refresh_token_lives_longer(self):
        accounts, clock = self.accounts()
        tokens = accounts.login("driver@example.com", "charge-me")
        assert accounts.accepts(tokens.access)
        clock.utc_ms += 100_000
        assert not accounts.accepts(tokens.access)
        renewed = accounts.refresh(tokens.access, tokens.refresh, refused=False)
        assert accounts.accepts(renewed.access)
        clock.utc_ms += 1_000_000
        assert accounts.refresh(renewed.access, renewed.refresh, refused=False) is None

    def test_a_refresh_token_works_once_even_if_it_is_refused(self):
        accounts, _ = self.accounts()
        tokens = accounts.login("driver@example.com", "charge-me")
        assert accounts.refresh(tokens.access, tokens.refresh, refused=True) is None
        assert accounts.refresh(tokens.access, tokens.refresh, refused=False) is None

    def test_the_oldest_login_ends_when_there_are_too_many(self):
        accounts, _ = self.accounts()
        first = accounts.login("driver@example.com", "charge-me")
        for _ in range(SESSIONS_KEPT):
            last = accounts.login("driver@example.com", "charge-me")
        assert not accounts.accepts(first.access)
        assert accounts.accepts(last.access)

    def test_the_same_seed_gives_the_same_tokens(self):
        one, other = self.accounts()[0], self.accounts()[0]
        assert one.login("driver@example.com", "charge-me") == other.login("driver@example.com", "charge-me")


def test_a_rate_limit_counts_within_its_window():
    limit = RateLimit(2, 10)
    assert [limit.passes(at_ms) for at_ms in (0, 5000, 9999, 10_000, 10_001, 15_000)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_chargers_fill_circuits_and_circuits_fill_sites():
    layout = Layout(EaseeCloudSettings(chargers_a_circuit=2, circuits_a_site=2, product_code=100))
    circuits = [layout.place(f"EH{number}", 32) for number in range(5)]
    assert [circuit.serials for circuit in layout.circuits.values()] == [
        ["EH0", "EH1"],
        ["EH2", "EH3"],
        ["EH4"],
    ]
    assert [len(site.circuits) for site in layout.sites.values()] == [2, 1]
    assert circuits[0].limits.dynamic_a == (80, 80, 80)


class TestOutbox:
    def test_a_refused_charger_stays_refused_as_a_whole(self):
        outbox = Outbox(limit=4)
        for number in range(4):
            assert outbox.accepts("EH1", number)
            outbox.put(BusMessage(str(number), b"", "", None))
        assert not outbox.accepts("EH1", 109)
        outbox.take(1)
        assert not outbox.accepts("EH1", 128)  # nothing overtakes a refused one
        assert outbox.accepts("EH2", 109)
        assert list(outbox.take_missed()) == []
        outbox.take(2)
        assert list(outbox.take_missed()) == [("EH1", {109, 128})]
        assert outbox.accepts("EH1", 109)

    def test_an_acknowledgement_is_done_once(self):
        over: list[bool] = []
        acknowledgement = PendingAcknowledgement(2, over.append)
        acknowledgement.count_delivered()
        assert over == []
        acknowledgement.count_delivered()
        assert over == [True]
        abandoned = PendingAcknowledgement(2, over.append)
        abandoned.abandon()
        abandoned.count_delivered()
        abandoned.abandon()
        assert over == [True, False]
        PendingAcknowledgement(0, over.append)
        assert over == [True, False, True]


class TestMisbehaviour:
    def test_everything_is_seldom_and_can_be_scaled(self):
        usual, half = Misbehaviour.everything(), Misbehaviour.everything(0.5)
        assert 0 < half.duplicates < usual.duplicates < 0.2
        assert usual.drop_streams_every_s == 3600
        assert not usual.blocked
        assert Misbehaviour.everything(0) == Misbehaviour(status_missing=2, delivered_skew_ms=-1500)

    def test_it_is_read_from_a_command_line(self):
        wanted = parse("everything*0.5, duplicates=0.25,blocked, fail_kind=state")
        assert (wanted.duplicates, wanted.blocked, wanted.fail_kind) == (0.25, True, "state")
        assert wanted.lost == 0.01
        assert parse("") == Misbehaviour()

    @pytest.mark.parametrize("text", ["duplicates=2", "mischief=1", "everything*x", "blocked=3"])
    def test_invalid_text_is_an_error(self, text):
        with pytest.raises(ValueError):
            parse(text)

    def test_a_change_is_made_as_a_whole_or_not(self):
        wrong = Misbehaviour()
        with pytest.raises(ValueError):
            wrong.change({"lost": 0.5, "duplicates": 7})
        assert wrong == Misbehaviour()

    def test_the_same_seed_throws_the_same_dice(self):
        throws = []
        for _ in range(2):
            dice = Dice(7, {})
            throws.append([dice("lost", 0.5) for _ in range(50)])
        assert throws[0] == throws[1]
        assert len(set(throws[0])) == 2


def test_statistics_count_by_kind_and_status():
    statistics = Statistics()
    statistics.requests["state", 200] += 2
    statistics.requests["state", 429] += 1
    statistics.requests["login", 200] += 1
    assert (statistics.count(), statistics.count("state"), statistics.count(status=200)) == (4, 3, 3)
    assert statistics.as_dict()["requests"] == {"state 200": 2, "state 429": 1, "login 200": 1}
