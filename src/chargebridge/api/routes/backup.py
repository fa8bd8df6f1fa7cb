"""Backups while the gateway runs."""

import asyncio
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chargebridge.api.parameters import TheGateway
from chargebridge.api.problems import RefusedError, answers

router = APIRouter(tags=["service"])


class BackupRequest(BaseModel):
    """The file to copy to."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$",
        description="A plain file name, for the folder `backups` of the state directory.",
        examples=["2026-01-31.zip"],
    )


class Backup(BaseModel):
    """The copy."""

    path: str
    bytes: int


@router.post(
    "/backup",
    status_code=201,
    summary="Back up the store",
    responses=answers(
        conflict="A file of this name exists; nothing is ever overwritten.",
        service_unavailable="The copy could not be made; `error` says why.",
    ),
)
async def back_up(gateway: TheGateway, request: BackupRequest) -> Backup:
    """Copy everything that is restored together into a new file that only the program's user can read.

    That is the store, and what the drivers keep beside it: a ZIP archive. The gateway goes on meanwhile. To
    restore, stop the program and run `chargebridge restore FILE --config CONFIGURATION`.
    """
    folder = gateway.configuration.state.directory / "backups"
    target = folder / request.file
    try:
        await asyncio.to_thread(_make_folder, folder)
        await gateway.backup(target)
        size = await asyncio.to_thread(lambda: target.stat().st_size)
    except FileExistsError as error:
        raise RefusedError(409, f"{target} exists", "name another file") from error
    except OSError as error:
        raise RefusedError(503, f"{target} cannot be written: {error.strerror}") from error
    return Backup(path=str(target), bytes=size)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
