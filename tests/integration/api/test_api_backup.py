"""Online backup through the API."""

from zipfile import ZipFile

import pytest

from chargebridge.store.reader import StoreReader

pytestmark = pytest.mark.integration


def test_backup_holds_what_was_committed(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        made = await site.post("/backup", file="today.zip")
        copy = site.state_dir / "backups" / "today.zip"
        assert made == {"path": str(copy), "bytes": copy.stat().st_size}
        assert copy.stat().st_mode & 0o777 == 0o600
        assert copy.parent.stat().st_mode & 0o777 == 0o700
        with ZipFile(copy) as whole:
            whole.extract("store.sqlite3", copy.parent)
        reader = StoreReader(copy.parent / "store.sqlite3")
        (row,) = reader.transactions(limit=10)
        reader.close()
        assert row.identity == "CP-1"

    at_site(scenario)


def test_backup_overwrites_nothing(at_site):
    async def scenario(site):
        await site.post("/backup", file="today.zip")
        status, problem = await site.refused("POST", "/backup", {"file": "today.zip"})
        assert status == 409
        assert problem["remedy"] == "name another file"

    at_site(scenario)


@pytest.mark.parametrize(
    "file", ["../store.sqlite3", "/tmp/x", "a/b", ".hidden", "..", "", "x\n", "a" * 101, "x\0y"]
)
def test_backup_stays_in_its_folder(at_site, file):
    async def scenario(site):
        status, _ = await site.refused("POST", "/backup", {"file": file})
        assert status == 422
        assert not (site.state_dir / "backups").exists()

    at_site(scenario)
