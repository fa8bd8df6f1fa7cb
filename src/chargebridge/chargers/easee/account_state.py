"""What the driver keeps of its account over restarts: tokens, and the pauses that the cloud asks for."""

import asyncio
import hashlib
import sqlite3

import msgspec
import structlog

from chargebridge.chargers.easee.account.pauses import SavedPauses, of_older_version
from chargebridge.chargers.easee.account.secret import Tokens
from chargebridge.chargers.easee.memory import Memory
from chargebridge.chargers.easee.settings import Settings

_log = structlog.get_logger(__name__)


class AccountState:
    """The documents of one account in the memory of the driver.

    Args:
        memory: the saved state of the driver.
        settings: whose account it is.
    """

    def __init__(self, memory: Memory, settings: Settings) -> None:
        self._memory = memory
        self._saving: set[asyncio.Future[None]] = set()
        # Saved tokens of another account, or of an emulated cloud, are not used.
        account_hash = hashlib.sha256(f"{settings.url} {settings.user_name}".encode()).hexdigest()
        self._tokens_key = f"tokens of {account_hash}"
        self._pauses_key = f"pauses of {account_hash}"
        self._old_pause_key = f"throttled until, of {account_hash}"

    def tokens(self) -> Tokens | None:
        """Return the saved tokens; None if there are none."""
        document = self._memory.document(self._tokens_key)
        try:
            return None if document is None else msgspec.json.decode(document, type=Tokens)
        except msgspec.MsgspecError:
            return None  # signing in replaces them

    def pauses(self, now_ms: int) -> SavedPauses:
        """Return the saved pauses, those of an older version included.

        Args:
            now_ms: the present, in UTC milliseconds.
        """
        document = self._memory.document(self._pauses_key)
        if document is None:
            old = self._memory.document(self._old_pause_key) or b""
            return of_older_version(int(old), now_ms) if old.isdigit() else SavedPauses()
        try:
            return msgspec.json.decode(document, type=SavedPauses)
        except msgspec.MsgspecError as error:
            _log.warning("saved pauses of requests unreadable, starting without them", error=str(error))
            return SavedPauses()

    def save_tokens(self, tokens: Tokens) -> None:
        """Save the tokens, soon."""
        self._save_soon(self._tokens_key, msgspec.json.encode(tokens))

    def save_pauses(self, pauses: SavedPauses) -> None:
        """Save the pauses, soon."""
        self._save_soon(self._pauses_key, msgspec.json.encode(pauses))

    async def finish(self) -> None:
        """Wait until everything is saved."""
        await asyncio.gather(*self._saving)

    def _save_soon(self, name: str, document: bytes) -> None:
        # A slow disk must not block the loop.
        saving = asyncio.get_running_loop().run_in_executor(None, self._save_now, name, document)
        self._saving.add(saving)
        saving.add_done_callback(self._saving.discard)

    def _save_now(self, name: str, document: bytes) -> None:
        try:
            self._memory.save_document(name, document)
        except sqlite3.Error as error:
            _log.warning("account state cannot be saved", error=str(error))
