"""What the driver keeps of its account over restarts."""

import asyncio
import hashlib

import pytest

from chargebridge.chargers.easee.account.block import BLOCKED, REFUSED_EVERYWHERE
from chargebridge.chargers.easee.account.budget import Kind
from chargebridge.chargers.easee.account.pauses import SavedBlock, SavedPause, SavedPauses
from chargebridge.chargers.easee.account.secret import Tokens
from chargebridge.chargers.easee.account_state import AccountState
from chargebridge.chargers.easee.memory import Memory
from chargebridge.chargers.easee.settings import read_settings

pytestmark = pytest.mark.unit

NOW_MS = 1_800_000_000_000
URL, USER = "https://api.easee.com", "a@example.com"
OLD_KEY = f"throttled until, of {hashlib.sha256(f'{URL} {USER}'.encode()).hexdigest()}"


def settings(user_name=USER):
    return read_settings({"way": "account", "user_name": user_name, "password": "secret", "url": URL})


def kept(memory, *, pauses=None, tokens=None):
    async def save():
        state = AccountState(memory, settings())
        if pauses is not None:
            state.save_pauses(pauses)
        if tokens is not None:
            state.save_tokens(tokens)
        await state.finish()

    asyncio.run(save())


def test_pauses_and_tokens_are_those_of_the_same_account(tmp_path):
    pauses = SavedPauses(
        SavedBlock(NOW_MS + 1000, 2, BLOCKED), (SavedPause("charger list", Kind.READ, NOW_MS + 500),)
    )
    memory = Memory(tmp_path / "easee.sqlite3")
    kept(memory, pauses=pauses, tokens=Tokens("a", "r", NOW_MS))
    same, other = AccountState(memory, settings()), AccountState(memory, settings("b@example.com"))
    assert (same.pauses(NOW_MS), same.tokens()) == (pauses, Tokens("a", "r", NOW_MS))
    assert (other.pauses(NOW_MS), other.tokens()) == (SavedPauses(), None)
    memory.close()


def test_the_pause_of_an_older_version_is_taken_over_until_there_is_a_newer_document():
    memory = Memory(None)
    state = AccountState(memory, settings())
    memory.save_document(OLD_KEY, str(NOW_MS + 24 * 3_600_000).encode())
    taken = state.pauses(NOW_MS)
    assert taken == SavedPauses(SavedBlock(NOW_MS + 900_000, 1, REFUSED_EVERYWHERE))
    assert state.pauses(NOW_MS + 25 * 3_600_000) == SavedPauses()
    kept(memory, pauses=SavedPauses())
    assert state.pauses(NOW_MS) == SavedPauses()


@pytest.mark.parametrize("document", [b"soon", b"", b"-3"])
def test_an_old_document_that_makes_no_sense_is_no_pause(document):
    memory = Memory(None)
    memory.save_document(OLD_KEY, document)
    assert AccountState(memory, settings()).pauses(NOW_MS) == SavedPauses()
