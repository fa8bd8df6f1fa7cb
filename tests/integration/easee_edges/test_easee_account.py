"""An account against a real HTTP server: tokens, refusals, and what is certain after each failure."""

import asyncio
import socket

import msgspec
import pytest
from aiohttp import web

from chargebridge.chargers.easee.account.block import BLOCKED
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.failures import (
    ChargerUnreachable,
    NoAnswer,
    NotFound,
    NotSent,
    Refused,
)
from chargebridge.chargers.easee.account.pauses import SavedBlock, SavedPauses, of_older_version
from chargebridge.chargers.easee.account.secret import Tokens

pytestmark = pytest.mark.integration

STATE = "/api/chargers/EH1/state"
LIST = "/api/chargers"
START = "/api/chargers/EH1/commands/start_charging"


def get(account, path=STATE, *, kind=Kind.READ, timeout_s=30.0):
    return account.request("GET", path, kind=kind, timeout_s=timeout_s)


def post(account, path=START, body=None, *, timeout_s=30.0):
    return account.request("POST", path, body, timeout_s=timeout_s)


# --- signing in ----------------------------------------------------------------------------------


async def test_the_first_call_signs_in_and_presents_itself(site):
    async with site:
        answer = await get(site.account())
    assert (answer.status, answer.body) == (200, b'{"you": "are welcome"}')
    assert site.cloud.asked == [("POST", "/api/accounts/login"), ("GET", STATE)]
    assert site.cloud.headers[1]["User-Agent"] == "chargebridge/1.2.3"
    assert site.cloud.headers[1]["Authorization"] == "Bearer access-secret-1"


async def test_bodies_are_json_and_an_absent_one_is_empty(site):
    async with site:
        account = site.account()
        await post(account)
        await account.request("PUT", "/api/chargers/EH1/access", 3, timeout_s=1)
    assert site.cloud.bodies[1:] == [None, 3]
    assert site.cloud.headers[1]["Content-Length"] == "0"
    assert site.cloud.headers[2]["Content-Type"] == "application/json"


async def test_50_calls_at_once_sign_in_once(site):
    async with site:
        account = site.account()
        await asyncio.gather(*(get(account) for _ in range(50)))
    assert site.cloud.logins == 1
    assert site.cloud.count(STATE) == 50


async def test_50_calls_with_an_old_token_refresh_once(site):
    async with site:
        account = site.account()
        await get(account)
        site.clock.passed_s += 3600
        await asyncio.gather(*(get(account) for _ in range(50)))
    assert (site.cloud.logins, site.cloud.refreshes, site.cloud.burned) == (1, 1, 0)


@pytest.mark.parametrize("life_s", [3600, 3599.5])
async def test_a_token_is_renewed_one_to_two_minutes_before_its_end(site, life_s):
    async with site:
        site.cloud.life_s = life_s
        account = site.account()
        await get(account)
        site.clock.passed_s = life_s - 121
        await get(account)
        assert site.cloud.refreshes == 0
        site.clock.passed_s = life_s - 59
        await get(account)
    assert site.cloud.refreshes == 1


async def test_every_refresh_token_is_shown_once(site):
    async with site:
        account = site.account()
        for _ in range(5):
            await get(account)
            site.clock.passed_s += 3600
    shown = [body["refreshToken"] for body in site.cloud.bodies if body and "refreshToken" in body]
    assert shown == [f"refresh-secret-{number}" for number in range(1, 5)]


async def test_a_refresh_that_is_refused_early_leads_to_a_login(site):
    async with site:
        account = site.account()
        await get(account)
        site.cloud.good_refreshes.clear()
        site.clock.passed_s += 3600
        await get(account)
    assert (site.cloud.logins, site.cloud.refreshes) == (2, 1)


async def test_a_refresh_that_fails_early_is_no_reason_to_do_nothing(site):
    async with site:
        account = site.account()
        await get(account)
        site.cloud.script("/api/accounts/refresh_token", (502, b"busy"))
        site.clock.passed_s += 3600 - 59
        await get(account)
    assert site.cloud.headers[-1]["Authorization"] == "Bearer access-secret-1"


async def test_whoever_leaves_does_not_take_the_renewal_along(site):
    async with site:
        account = site.account()
        await get(account)
        site.clock.passed_s += 3600

        renewable = asyncio.Event()

        async def slow(request: web.Request) -> web.Response:
            await renewable.wait()
            return site.cloud.tokens()

        site.cloud.script("/api/accounts/refresh_token", slow)
        first = asyncio.create_task(get(account))
        await site.cloud.is_asked("/api/accounts/refresh_token")
        first.cancel()
        second = asyncio.create_task(get(account))
        await asyncio.wait({first})
        renewable.set()
        await second
    assert site.cloud.refreshes == 1


async def test_a_renewal_that_is_out_when_all_ends_is_kept(site):
    async with site:
        account = site.account()
        await get(account)
        site.clock.passed_s += 3600
        call = asyncio.create_task(get(account))
        await site.cloud.is_asked("/api/accounts/refresh_token")
        call.cancel()
        await account.close()
        with pytest.raises(NotSent):
            await get(account)
    assert site.kept[-1].access == "access-secret-2"


async def test_a_wrong_password_is_logged_once_and_retried_rarely(site, log):
    async with site:
        account = site.account(password="wrong")
        for _ in range(20):
            with pytest.raises(NotSent, match="`user_name` and `password`") as caught:
                await get(account)
        assert site.cloud.logins == 1
        assert caught.value.until_s == pytest.approx(5_000 + 600, abs=1)
        for _ in range(24 * 60):
            site.clock.passed_s += 60
            with pytest.raises(NotSent):
                await get(account, timeout_s=0)
        assert site.cloud.logins <= 9
        errors = [event for event in log if event["log_level"] == "error"]
        assert [event["event"] for event in errors] == [
            "cannot sign in: the cloud refuses `user_name` and `password` of this account"
        ]
        site.cloud.password = "wrong"
        site.clock.passed_s += 6 * 3600
        await get(account)


async def test_a_login_that_fails_for_another_reason_is_tried_again_sooner(site):
    async with site:
        site.cloud.script("/api/accounts/login", (400, {"detail": "out of order"}), None)
        account = site.account()
        with pytest.raises(NotSent, match="out of order"):
            await get(account)
        site.clock.passed_s += 31
        await get(account)


async def test_an_outage_at_login_does_not_hide_a_wrong_password(site, log):
    async with site:
        site.cloud.script("/api/accounts/login", (401, b""), None)
        account = site.account(password="wrong")
        for _ in range(3):
            with pytest.raises(NotSent):
                await get(account)
            site.clock.passed_s += 1300
    said = [(event["log_level"], event["event"]) for event in log]
    assert said[:2] == [
        ("warning", "cannot sign in: the cloud refuses the login (HTTP 401)"),
        ("error", "cannot sign in: the cloud refuses `user_name` and `password` of this account"),
    ]


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"accessToken": 3}', b'{"accessToken": "", "expiresIn": 1}']
)
async def test_a_login_that_is_answered_with_something_else_names_the_url(site, body):
    async with site:
        site.cloud.script("/api/accounts/login", (200, body))
        with pytest.raises(NotSent, match="`url`"):
            await get(site.account())


async def test_trouble_at_login_is_waited_out(site):
    async with site:
        site.cloud.script("/api/accounts/login", (502, b""), (403, {"message": "Forbidden"}), None)
        await get(site.account())
    assert site.cloud.logins == 3


async def test_tokens_that_were_kept_spare_a_login(site):
    async with site:
        await get(site.account())
        document = msgspec.json.encode(site.kept[-1])
        await get(site.account(load=lambda: msgspec.json.decode(document, type=Tokens)))
    assert site.cloud.logins == 1


async def test_kept_tokens_that_have_ended_are_refreshed(site):
    async with site:
        await get(site.account())
        site.clock.passed_s += 7200
        await get(site.account())
    assert (site.cloud.logins, site.cloud.refreshes) == (1, 1)


async def test_tokens_that_cannot_be_kept_cost_nothing_now(site, log):
    def full(_: Tokens) -> None:
        raise OSError("no space left")

    async with site:
        await get(site.account(save=full))
    assert "tokens cannot be saved" in [event["event"] for event in log]


# --- 401 -----------------------------------------------------------------------------------------


async def test_a_refused_token_is_renewed_once_and_the_call_repeated_once(site):
    async with site:
        account = site.account()
        await get(account)
        site.cloud.good_tokens.clear()
        site.clock.passed_s += 60
        await asyncio.gather(*(post(account) for _ in range(20)))
        assert site.cloud.refreshes == 1
        site.clock.passed_s += 60
        site.cloud.script(START, (401, b""))
        with pytest.raises(Refused) as caught:
            await post(account)
    assert caught.value.status == 401
    assert site.cloud.refreshes == 2


async def test_calls_that_are_always_refused_do_not_renew_each_time(site):
    async with site:
        site.cloud.script(STATE, (401, b""))
        account = site.account()
        for _ in range(30):
            with pytest.raises(Refused):
                await get(account)
            site.clock.passed_s += 1
    assert site.cloud.logins == 1
    assert site.cloud.refreshes <= 2


# --- 429 -----------------------------------------------------------------------------------------


async def test_retry_after_is_waited_for_if_patience_lasts(site):
    async with site:
        site.cloud.script(STATE, (429, b"", {"Retry-After": "7"}), None)
        await get(site.account())
    first, second = site.cloud.times[-2:]
    assert second - first == pytest.approx(7, abs=0.01)


async def test_retry_after_may_be_a_date(site):
    async with site:
        # the hand-moved clock shows 2027-01-15T08:00:00Z
        site.cloud.script(STATE, (429, b"", {"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}))
        with pytest.raises(NotSent) as caught:
            await get(site.account())
    assert caught.value.until_s == pytest.approx(5_060, abs=0.1)


async def test_a_429_pauses_the_endpoint_that_said_so_and_nothing_else(site, log):
    async with site:
        site.cloud.script(LIST, (429, b""))
        account = site.account()
        with pytest.raises(NotSent, match="throttled: too many requests to this endpoint: charger list"):
            await get(account, LIST)
        for _ in range(30):
            with pytest.raises(NotSent, match="charger list"):
                await get(account, LIST, timeout_s=1)
            await post(account)
            await get(account)
        assert site.cloud.count(LIST) == 1
        (pause,) = account.pauses()
        assert pause.what == "charger list"
        assert 60_000 <= pause.until_ms - site.clock.now().utc_ms <= 75_000
        site.clock.passed_s += 80
        site.cloud.script(LIST, None)
        await get(account, LIST)
        assert account.pauses() == ()
    assert [one["event"] for one in log if one["log_level"] == "warning"] == []


async def test_the_third_list_of_chargers_within_a_minute_waits_and_delays_no_command(site):
    async with site:
        account = site.account()
        await get(account, LIST)
        await get(account, LIST, kind=Kind.COMMAND)
        third = asyncio.create_task(get(account, LIST, timeout_s=600))
        await post(account)
        await third
    times = [at for (_, path), at in zip(site.cloud.asked, site.cloud.times, strict=True) if path == LIST]
    assert times[2] - times[0] > 60


async def test_whoever_waits_goes_before_the_background_at_an_endpoint_with_room_for_one(site):
    first, background, command = (f"/api/equalizers/{serial}" for serial in ("QP1", "QP2", "QP3"))
    async with site:
        account = site.account()
        await get(account, first)
        calls = [asyncio.create_task(get(account, background, timeout_s=600)) for _ in range(3)]
        calls.append(asyncio.create_task(get(account, command, kind=Kind.COMMAND, timeout_s=600)))
        await asyncio.sleep(0)
        assert account.waiting == 4
        assert account.waiting_s > 180
        await asyncio.gather(*calls)
        assert (account.waiting, account.waiting_s) == (0, 0)
    asked = [path for _, path in site.cloud.asked if path.startswith("/api/equalizers")]
    assert asked == [first, command, background, background, background]


async def test_a_block_is_kept_for_more_than_a_day_without_a_request_and_said_once(site, log):
    async with site:
        text = b"Too many requests from a third party system: your IP is blocked for 24 hours"
        site.cloud.script(STATE, (429, text))
        account = site.account()
        with pytest.raises(NotSent) as caught:
            await get(account)
        assert caught.value.until_s > 5_000 + 24 * 3600
        asked = len(site.cloud.asked)
        for _ in range(24):
            for call in (get, post):
                with pytest.raises(NotSent, match="blocks this account or address"):
                    await call(account)
            assert [one.what for one in account.pauses()][-1] == "all requests"
            site.clock.passed_s += 3600
        assert len(site.cloud.asked) == asked
    told = [(one["log_level"], one["event"]) for one in log if one.get("what") == "all requests"]
    assert told == [("warning", "requests paused")]


async def test_a_block_that_no_text_announces_is_told_from_several_endpoints(site, log):
    async with site:
        account = site.account()
        await get(account)
        site.clock.passed_s += 60
        for path in ("/api/accounts/refresh_token", "/api/accounts/login", STATE, LIST, START):
            site.cloud.script(path, (429, b""))
        with pytest.raises(NotSent):
            await get(account)
        with pytest.raises(NotSent):
            await post(account)
        with pytest.raises(NotSent, match="several endpoints"):
            await get(account, LIST)
        asked = len(site.cloud.asked)
        site.clock.passed_s += 16 * 60
        with pytest.raises(NotSent, match="blocks"):
            await get(account)
        assert len(site.cloud.asked) == asked + 1, "one request shows it"
        site.clock.passed_s += 24 * 3600
        with pytest.raises(NotSent, match="blocks"):
            await post(account)
        assert len(site.cloud.asked) == asked + 1
        site.cloud.scripts.clear()
        site.clock.passed_s += 20 * 60
        await post(account)
        assert account.pauses() == ()
    told = [one["event"] for one in log if one.get("what") == "all requests"]
    assert told == ["requests paused", "requests paused", "requests resumed"]


async def test_a_new_token_shows_that_refusals_of_two_endpoints_are_no_block(site):
    async with site:
        account = site.account()
        site.cloud.script(STATE, (429, b""))
        site.cloud.script(LIST, (429, b""))
        for _ in range(5):
            for path in (STATE, LIST):
                with pytest.raises(NotSent):
                    await get(account, path)
            site.clock.passed_s += 4000
        assert site.cloud.refreshes > 1
        await post(account)


async def test_pauses_are_kept_over_a_restart(site):
    kept: list[SavedPauses] = []
    async with site:
        site.cloud.script(STATE, (429, b"", {"Retry-After": "300"}))
        with pytest.raises(NotSent):
            await get(site.account(save_pauses=kept.append))
        document = msgspec.json.encode(kept[-1])
        again = site.account(pauses=msgspec.json.decode(document, type=SavedPauses))
        with pytest.raises(NotSent, match="throttled"):
            await get(again)
        assert site.cloud.count(STATE) == 1
        await post(again)


async def test_a_block_is_kept_over_a_restart_and_forgotten_when_it_is_over(site, log):
    kept: list[SavedPauses] = []
    async with site:
        site.cloud.script(
            STATE, (403, b"Your IP address is blocked for 24 hours from the last request."), None
        )
        with pytest.raises(NotSent):
            await get(site.account(save_pauses=kept.append))
        asked = len(site.cloud.asked)
        site.clock.passed_s += 20 * 3600
        again = site.account(pauses=kept[-1], save_pauses=kept.append)
        with pytest.raises(NotSent, match="blocks"):
            await post(again)
        assert len(site.cloud.asked) == asked
        site.clock.passed_s += 5 * 3600
        await post(again)
    assert kept[-1] == SavedPauses()
    told = [one["event"] for one in log if one.get("what") == "all requests"]
    assert told == ["requests paused", "requests paused", "requests resumed"]


async def test_a_block_that_ended_before_the_start_is_left_with_one_request_and_no_line(site, log):
    over = SavedPauses(SavedBlock(site.clock.now().utc_ms - 1000, 1, BLOCKED))
    kept: list[SavedPauses] = []
    async with site:
        account = site.account(pauses=over, save_pauses=kept.append)
        await asyncio.gather(*(post(account) for _ in range(5)))
        assert account.pauses() == ()
    assert kept[-1] == SavedPauses()
    assert [one for one in log if "what" in one] == []


@pytest.mark.parametrize(("left_s", "silent_s"), [(24 * 3600, 900), (300, 300), (-10, 0)])
async def test_a_pause_of_an_older_version_is_continued_for_a_quarter_of_an_hour_at_most(
    site, left_s, silent_s
):
    now_ms = site.clock.now().utc_ms
    async with site:
        account = site.account(pauses=of_older_version(now_ms + left_s * 1000, now_ms))
        if silent_s:
            with pytest.raises(NotSent) as caught:
                await post(account)
            assert caught.value.until_s == pytest.approx(5_000 + silent_s, abs=1)
        site.clock.passed_s += silent_s
        await post(account)


# --- 503 and 504 ---------------------------------------------------------------------------------


async def test_a_504_is_one_charger_that_cannot_be_reached_and_delays_no_other(site):
    async with site:
        site.cloud.script(START, (504, b"<html>"))
        account = site.account()
        for _ in range(10):
            with pytest.raises(ChargerUnreachable, match=r"charger unreachable \(504\)"):
                await post(account)
            await post(account, START.replace("EH1", "EH2"))
        assert site.clock.passed_s == 0
    assert site.cloud.count(START) == 10


async def test_a_504_of_the_cloud_itself_is_a_failure_like_others(site):
    async with site:
        site.cloud.script(LIST, (504, b""), None)
        await get(site.account(), LIST, kind=Kind.COMMAND)
    assert site.cloud.count(LIST) == 2


async def test_a_503_is_retried_for_whoever_waits_until_patience_ends_and_says_why(site):
    async with site:
        site.cloud.script(START, (503, b""), (503, b""), None)
        account = site.account()
        await post(account, timeout_s=5)
        assert site.cloud.count(START) == 3
        site.cloud.script(START, (503, b""))
        with pytest.raises(NotSent, match=r"try again in a minute \(503\)"):
            await post(account, timeout_s=5)
        with pytest.raises(NotSent, match=r"try again in a minute \(503\)"):
            await get(account, timeout_s=30)
        await get(account, timeout_s=80)


async def test_failures_of_reads_do_not_delay_commands(site):
    async with site:
        site.cloud.script(STATE, (500, b""))
        account = site.account()
        with pytest.raises((NoAnswer, NotSent)):
            await get(account, timeout_s=100)
        waited_s = site.clock.passed_s
        await post(account)
        assert site.clock.passed_s == waited_s


async def test_a_login_that_waits_for_the_confirmation_of_the_address_says_what_to_do(site, log):
    async with site:
        site.cloud.script("/api/accounts/login", (400, {"errorCode": 727, "errorCodeName": "x"}))
        account = site.account()
        for _ in range(3):
            with pytest.raises(NotSent, match="not confirmed yet: open the link in the e-mail"):
                await post(account)
        assert site.cloud.logins == 1
    assert [one["log_level"] for one in log if "not confirmed" in one["event"]] == ["error"]


# --- what is certain -----------------------------------------------------------------------------


async def test_a_500_leaves_open_whether_a_command_was_carried_out(site):
    async with site:
        site.cloud.script(START, (500, {"detail": "[Empty in production]"}))
        with pytest.raises(NoAnswer, match="500"):
            await post(site.account())
    assert site.cloud.count(START) == 1


async def test_a_500_to_a_read_is_tried_again_ever_more_slowly(site):
    async with site:
        site.cloud.script(STATE, (500, b""), (502, b""), (504, b""), None)
        await get(site.account())
    waits = [b - a for a, b in zip(site.cloud.times[1:], site.cloud.times[2:], strict=False)]
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2 <= waits[2] <= 4


async def test_a_read_that_always_fails_ends_with_patience(site):
    async with site:
        site.cloud.script(STATE, (500, b""))
        with pytest.raises((NoAnswer, NotSent)):
            await get(site.account(), timeout_s=20)
        assert site.clock.passed_s <= 20.3
    assert site.cloud.count(STATE) <= 7


async def test_the_gateway_says_no_to_a_command_that_is_then_tried_again(site):
    async with site:
        site.cloud.script(START, (403, {"message": "Forbidden"}), (202, []))
        answer = await post(site.account())
    assert (answer.status, answer.body) == (202, b"[]")


async def test_a_gateway_that_goes_on_saying_no_means_not_sent(site):
    async with site:
        site.cloud.script(START, (403, {"message": "Forbidden"}))
        with pytest.raises(NotSent, match="gateway") as caught:
            await post(site.account(), timeout_s=5)
    assert caught.value.until_s is not None
    assert site.cloud.count(START) <= 5


@pytest.mark.parametrize(
    "body", [b"", {"errorCode": 104, "title": "Not allowed"}, {"title": "Forbidden", "status": 403}]
)
async def test_a_403_of_the_cloud_itself_is_a_refusal(site, body):
    async with site:
        site.cloud.script(START, (403, body))
        with pytest.raises(Refused) as caught:
            await post(site.account())
    assert caught.value.status == 403
    assert site.cloud.count(START) == 1


async def test_a_refusal_tells_code_name_and_detail(site):
    async with site:
        problem = {"errorCode": 253, "errorCodeName": "InvalidState", "detail": "x" * 1000}
        site.cloud.script(START, (400, problem))
        with pytest.raises(Refused) as caught:
            await post(site.account())
    error = caught.value
    assert (error.status, error.code, error.name, error.detail) == (400, 253, "InvalidState", "x" * 200)
    assert str(error).startswith("HTTP 400: 253 InvalidState: xxx")


async def test_nothing_stored_is_a_refusal_of_its_own(site):
    async with site:
        site.cloud.script(STATE, (404, b"<html>no such thing</html>"))
        with pytest.raises(NotFound, match="no such thing"):
            await get(site.account())


async def test_a_redirect_is_not_followed(site):
    async with site:
        site.cloud.script(STATE, (302, b"", {"Location": f"{site.cloud.url}/elsewhere"}))
        with pytest.raises(Refused):
            await get(site.account())
    assert site.cloud.count("/elsewhere") == 0


async def test_a_connection_that_breaks_leaves_a_command_open(site):
    async def hang_up(request: web.Request) -> web.StreamResponse:
        request.transport.abort()
        return web.Response()

    async with site:
        site.cloud.script(START, hang_up)
        with pytest.raises(NoAnswer):
            await post(site.account())
        site.cloud.script(STATE, hang_up, None)
        await get(site.account())
    assert site.cloud.count(START) == 1


async def test_an_answer_that_does_not_come_leaves_a_command_open(site):
    over = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    async with site:
        site.cloud.script(START, late)
        with pytest.raises(NoAnswer, match="in time"):
            await post(site.account(answer_timeout_s=0.2))
        over.set()


async def test_a_cloud_that_is_not_there_means_not_sent(site):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with site:
            account = site.account(url=url, load=lambda: Tokens("a", "r", 2_000_000_000_000))
            with pytest.raises(NotSent, match="unreachable"):
                await post(account, timeout_s=3)


async def test_an_endless_answer_is_cut(site):
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1024 * 1024))

    async with site:
        site.cloud.script(START, endless)
        with pytest.raises(NoAnswer, match="longer than"):
            await post(site.account())


async def test_the_budget_makes_calls_wait_and_keeps_some_for_commands(site):
    async with site:
        account = site.account(requests_per_5_min=10)
        await asyncio.gather(*(get(account) for _ in range(7)))  # and a login
        with pytest.raises(NotSent, match="request budget"):
            await get(account)
        await post(account)
        await post(account)
        with pytest.raises(NotSent, match="request budget"):
            await post(account)
        await get(account, timeout_s=400)


async def test_reads_that_hang_do_not_keep_commands_waiting(site):
    release = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    async with site:
        account = site.account()
        site.cloud.script(STATE, hang)
        reads = [asyncio.create_task(get(account)) for _ in range(20)]
        await site.cloud.is_asked(STATE, times=8)
        await post(account)
        assert site.cloud.count(STATE) == 8
        release.set()
        await asyncio.gather(*reads)


async def test_nothing_secret_shows(site):
    async with site:
        account = site.account()
        await get(account)
        for shown in (account, account._sign_in, site.kept[-1], await account.token(1)):
            assert "secret" not in repr(shown).replace("Secret(hidden)", "")
            assert "horse" not in f"{shown} {shown!r}"
