"""What was found beside what a configuration shows."""

import pytest
from msgspec.structs import replace

from chargebridge.chargepoint.behaviour import behaviour
from chargebridge.chargers.model import Found, FoundCharger
from chargebridge.config import (
    CentralSystemSettings,
    ChargePointSettings,
    Configuration,
    DriverSettings,
)
from chargebridge.config.identities import IdentityPattern
from chargebridge.config.problems import UnexpectedError
from chargebridge.gateway.discovering import survey

pytestmark = pytest.mark.unit

FOUND = Found(
    chargers=[
        FoundCharger("EH1", site="Villa", site_id="1"),
        FoundCharger("EH2", site="Villa", site_id="2"),
        FoundCharger("EH3", site="Office", site_id="3"),
        FoundCharger("EH4"),
    ]
)


def shown(identity, charger, *, driver="cloud", central_system="main"):
    return ChargePointSettings(
        identity=identity,
        central_system=central_system,
        driver=driver,
        charger=charger,
        behaviour=behaviour(),
    )


def look(found=FOUND, *charge_points, sites=(), pattern="{serial}", **systems):
    systems = {"main": CentralSystemSettings(url="ws://a.example"), **systems}
    configuration = Configuration(
        central_systems=systems,
        drivers={"cloud": DriverSettings(type="easee", settings={})},
        charge_points=charge_points,
    )
    return survey(
        configuration, "cloud", found, central_system="main", pattern=IdentityPattern(pattern), sites=sites
    )


def names(charge_points):
    return [one.identity for one in charge_points]


def test_chargers_without_a_charge_point_are_new():
    seen = look(FOUND, shown("A", "EH1"), shown("B", "EH3", driver="other"))
    assert [identity for _, identity in seen.new] == ["EH2", "EH3", "EH4"]
    assert names(seen.shown) == ["A"]


def test_charge_points_whose_charger_was_not_found_are_gone():
    seen = look(FOUND, shown("A", "EH1"), shown("B", "EH9"), shown("C", "EH8", driver="other"))
    assert names(seen.gone) == ["B"]
    assert (names(seen.not_known), seen.not_known_reason) == ([], "")


def test_what_the_cloud_could_not_tell_is_not_known_rather_than_gone():
    seen = look(replace(FOUND, gone_unknown="the list cannot be read"), shown("A", "EH1"), shown("B", "EH9"))
    assert names(seen.gone) == []
    assert (names(seen.not_known), seen.not_known_reason) == (["B"], "the list cannot be read")


@pytest.mark.parametrize(
    ("sites", "serials"),
    [
        (["Villa"], ["EH1", "EH2"]),
        (["villa "], ["EH1", "EH2"]),
        (["2"], ["EH2"]),
        (["1", "Office"], ["EH1", "EH3"]),
        ([], ["EH1", "EH2", "EH3", "EH4"]),
    ],
)
def test_sites_are_chosen_by_name_or_id(sites, serials):
    seen = look(sites=sites)
    assert [one.serial for one in seen.found] == serials
    assert [one.serial for one, _ in seen.new] == serials


def test_a_charger_of_another_site_is_not_gone():
    assert names(look(FOUND, shown("A", "EH3"), sites=["Villa"]).gone) == []


@pytest.mark.parametrize("site", ["Vila", "", "9"])
def test_a_site_that_is_not_there_is_refused_with_those_that_are(site):
    with pytest.raises(UnexpectedError, match="Office, Villa"):
        look(sites=[site])


def test_a_site_of_a_list_that_could_not_be_read_is_refused_with_the_reason():
    found = Found(chargers=[FoundCharger("EH1")], complete=False, warnings=["the list of sites: HTTP 403"])
    with pytest.raises(UnexpectedError, match="the list of sites: HTTP 403"):
        look(found, sites=["Villa"])


def test_identities_are_free_at_the_central_system_and_at_others_of_the_same_url():
    same = CentralSystemSettings(url="ws://a.example")
    other = CentralSystemSettings(url="ws://b.example")
    seen = look(
        FOUND,
        shown("CP-1", "X1"),
        shown("CP-2", "X2", central_system="same"),
        shown("CP-3", "X3", central_system="other"),
        pattern="CP-{n}",
        same=same,
        other=other,
    )
    assert [identity for _, identity in seen.new] == ["CP-3", "CP-4", "CP-5", "CP-6"]


def test_a_password_of_the_central_system_leaves_no_room_for_a_colon():
    secured = CentralSystemSettings(url="wss://a.example", password="secret-secret-16")
    assert look(pattern="A:{serial}").problems == []
    assert len(look(pattern="A:{serial}", main=secured).problems) == 4
