"""Handlers for login, refresh, the profile and the products of the account."""

from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from chargebridge.emulators.easee_cloud.accounts import Tokens
from chargebridge.emulators.easee_cloud.problems import ProblemError, answer
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.context import Context, Route
from chargebridge.emulators.easee_cloud.rest.sites import site_body


class Login(Struct, frozen=True, rename="camel"):
    """The body of a login."""

    user_name: str
    password: str


class Refresh(Struct, frozen=True, rename="camel"):
    """The body of a refresh."""

    access_token: str
    refresh_token: str


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _Accounts(context)
    return [
        Route("POST", "/api/accounts/login", "login", handlers.login, public=True),
        Route("POST", "/api/accounts/refresh_token", "refresh", handlers.refresh, public=True),
        Route("GET", "/api/accounts/profile", "profile", handlers.profile),
        Route("GET", "/api/accounts/products", "products", handlers.products),
    ]


class _Accounts:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def login(self, request: web.Request) -> web.Response:
        wanted = await requests.body(request, Login)
        tokens = self._context.accounts.login(wanted.user_name, wanted.password)
        if tokens is None:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                "The username or password is incorrect.",
                code=100,
                name="InvalidUserPassword",
            )
        if self._context.misbehaviour.unverified:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                "The e-mail address is not verified.",
                code=727,
                name="EmailNotVerified",
            )
        self._context.statistics.logins += 1
        return self._given(tokens)

    async def refresh(self, request: web.Request) -> web.Response:
        wanted = await requests.body(request, Refresh)
        wrong = self._context.misbehaviour
        refused = wrong.refuse_next_refreshes > 0 or self._context.dice(
            "refuse_refresh", wrong.refuse_refresh
        )
        wrong.refuse_next_refreshes = max(wrong.refuse_next_refreshes - 1, 0)
        tokens = self._context.accounts.refresh(wanted.access_token, wanted.refresh_token, refused=refused)
        if tokens is None:
            self._context.statistics.refused_refreshes += 1
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED, "The refresh token is not valid.", name="InvalidRefreshToken"
            )
        self._context.statistics.refreshes += 1
        return self._given(tokens)

    def _given(self, tokens: Tokens) -> web.Response:
        partner = self._context.settings.integration_account
        return answer(
            {
                "accessToken": tokens.access,
                "expiresIn": self._context.settings.token_life_s,
                "accessClaims": ["User", "Partner"] if partner else ["User"],
                "tokenType": "Bearer",
                "refreshToken": tokens.refresh,
            }
        )

    async def profile(self, _: web.Request) -> web.Response:
        settings = self._context.settings
        return answer(
            {
                "userId": settings.user_id,
                "eMail": settings.user_name,
                "phoneNo": None,
                "name": "An account of the emulated Easee Cloud",
            }
        )

    async def products(self, _: web.Request) -> web.Response:
        roster, lists = self._context.roster, self._context.lists
        return answer(
            [
                lists.site(dict(site_body(site, roster, detailed=True, lists=lists)))
                for site in roster.layout.sites.values()
            ]
        )
