"""The limit of open files: raised as far as allowed, and checked against the fleet."""

import resource

import pytest

from chargebridge.gateway.limits import SPARE_DESCRIPTORS, TooManyChargePointsError, allow_links

pytestmark = pytest.mark.unit


class Limits:
    """Stands in for the limits of the operating system, which a test must not change."""

    def __init__(self, soft, hard):
        self.now = (soft, hard)

    def getrlimit(self, kind):
        assert kind == resource.RLIMIT_NOFILE
        return self.now

    def setrlimit(self, kind, limits):
        assert limits[1] == self.now[1]
        assert limits[0] <= limits[1] or limits[1] == resource.RLIM_INFINITY
        self.now = limits


@pytest.fixture
def limited(monkeypatch):
    def limit(soft, hard):
        limits = Limits(soft, hard)
        monkeypatch.setattr(resource, "getrlimit", limits.getrlimit)
        monkeypatch.setattr(resource, "setrlimit", limits.setrlimit)
        return limits

    return limit


def test_a_limit_that_is_high_enough_is_left_alone(limited):
    limits = limited(1024, 4096)
    assert allow_links(100) == 1024
    assert limits.now == (1024, 4096)


def test_the_limit_is_raised_to_what_the_fleet_needs(limited):
    limits = limited(1024, 4096)
    assert allow_links(2000) == 2000 + SPARE_DESCRIPTORS
    assert limits.now == (2128, 4096)


@pytest.mark.parametrize("hard", [resource.RLIM_INFINITY, 1_000_000])
def test_ten_thousand_links_fit_where_the_system_allows_them(limited, hard):
    limited(256, hard)
    assert allow_links(10_000) == 10_128


def test_no_limit_is_no_limit(limited):
    limited(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert allow_links(1_000_000) == resource.RLIM_INFINITY


def test_a_fleet_that_does_not_fit_is_told_the_limit_and_the_remedy(limited):
    limits = limited(1024, 4096)
    with pytest.raises(
        TooManyChargePointsError,
        match=r"^5000 charge points need 5128 open files and this process may have 4096;"
        r" raise its limit, for example with: ulimit -n 5128 \(or LimitNOFILE= in a systemd unit\)$",
    ):
        allow_links(5000)
    assert limits.now == (4096, 4096)
