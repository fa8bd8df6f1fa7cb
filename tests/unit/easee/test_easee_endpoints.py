"""The endpoints of Easee's cloud, from method and path."""

import pytest

from chargebridge.chargers.easee.account import endpoints
from chargebridge.chargers.easee.account.budget import SHARE, Limits
from chargebridge.chargers.easee.account.endpoints import ENDPOINTS, Limit, endpoint_of
from tests.documents import document

pytestmark = pytest.mark.unit

API = "https://api.easee.com"


@pytest.mark.parametrize(
    ("method", "path", "name", "limit"),
    [
        ("GET", "/api/chargers", "charger list", Limit(2, 60)),
        ("GET", f"{API}/api/chargers?userId=1", "charger list", Limit(2, 60)),
        ("GET", "/api/chargers/", "charger list", Limit(2, 60)),
        ("POST", "/api/chargers/EH1/settings", "charger settings", Limit(20, 60)),
        ("GET", "/api/sessions/charger/EH1/sessions/2026-01-01/2026-02-01", "session lists", Limit(20, 600)),
        ("GET", "/api/chargers/EH1/sessions/latest", "session lists", Limit(20, 600)),
        ("POST", "/api/sites/1/circuits/2/settings", "circuit settings", Limit(20, 60)),
        ("GET", "/api/sites/1/circuits/2/chargers", "circuit chargers", Limit(15, 60)),
        ("GET", "/api/equalizers/QP1", "equalizers", Limit(1, 60)),
        ("POST", "/api/chargers/EH1/commands/poll_all", "polls", Limit(1, 180)),
        ("POST", "/api/chargers/EH1/commands/poll_lifetimeenergy", "polls", Limit(1, 180)),
        ("POST", "/api/chargers/EH1/commands/start_charging", "start command", None),
        ("POST", "/api/chargers/EH1/commands/stop_charging", "stop command", None),
        ("POST", "/api/chargers/EH1/commands/set_dynamic_charger_current", "dynamic current command", None),
        ("POST", "/api/chargers/EH1/commands/lock_state", "other commands", None),
        ("POST", "/api/accounts/login", "sign-in", None),
        ("POST", "/api/accounts/refresh_token", "sign-in", None),
        ("POST", "https://streams.easee.com/hubs/chargers/negotiate", "stream handshake", None),
        ("GET", "/state/EH1/observations?ids=1,2", "observations", None),
        ("POST", "/api/chargers/EH1/weekly_charge_plan", "charge plans", None),
        ("GET", "/api/commands/EH1/48/6382218", "command outcomes", None),
        ("GET", "/api/accounts/products", "products", None),
        ("GET", "/api/chargers/EH1", "other requests", None),
        ("DELETE", "/api/chargers", "other requests", None),
        ("GET", "/whatever/is/new", "other requests", None),
    ],
)
def test_an_endpoint_and_its_published_limit_follow_from_method_and_path(method, path, name, limit):
    endpoint = endpoint_of(method, path)
    assert (endpoint.name, endpoint.limit) == (name, limit)
    assert endpoint in ENDPOINTS


def test_a_504_concerns_one_charger_where_a_request_is_passed_on_to_it():
    of_chargers = {one.name for one in ENDPOINTS if one.of_charger}
    assert of_chargers == {
        "charge plans",
        "charger settings",
        "circuit settings",
        "dynamic current command",
        "other commands",
        "pause command",
        "polls",
        "reboot command",
        "start command",
        "stop command",
    }


def test_names_are_few_and_each_is_one_endpoint():
    names = [one.name for one in ENDPOINTS]
    assert len(names) == len(set(names)) <= 25
    assert endpoints.HANDSHAKE.longest_pause_s * 1.25 <= 300


def test_the_table_of_limits_in_the_documentation_is_that_of_the_code():
    text = document("easee.md").split("## Rate limits")[1].split("### Pauses")[0]
    lines = [line for line in text.splitlines() if " min | " in line or "requests_per_5_min` |" in line]
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines]
    documented = {endpoint.partition(":")[0]: (limit, share) for endpoint, limit, share in cells}
    part, whole = SHARE
    assert documented == {
        one.name: (
            f"{one.limit.requests} in {one.limit.window_s / 60:g} min",
            str(max(one.limit.requests * part // whole, 1)),
        )
        for one in ENDPOINTS
        if one.limit is not None
    }
    assert f"| {Limits().background} |" in text
