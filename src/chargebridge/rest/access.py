"""Access to an API: clients present a token."""

import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

_bearer = HTTPBearer(auto_error=False, description="The token of this API.")


class Access:
    """Compares what clients present with the token, in constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def allows(self, presented: str) -> bool:
        """Tell whether this is the token; `presented` is the value of the header."""
        # Header values are bytes that the server has decoded as Latin-1.
        return secrets.compare_digest(presented.encode("latin-1", errors="replace"), self._token)


async def authorize(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Refuse a request without the token."""
    access: Access = request.app.state.access
    if credentials is None or not access.allows(credentials.credentials):
        raise HTTPException(
            401,
            "the token is missing or wrong",
            # RFC 6750 §3
            {"WWW-Authenticate": "Bearer" if credentials is None else 'Bearer error="invalid_token"'},
        )
