"""Charge points are found by their labels."""

import pytest
from msgspec.structs import replace

pytestmark = pytest.mark.integration

LABELS = {
    "CP-1": (("circuit", "1"), ("site", "Villa: Süd")),
    "CP-2": (("circuit", "2"), ("site", "Villa: Süd")),
    "CP-3": (),
}


async def labelled(site, labels=LABELS):
    """Reload with these labels."""
    before = site.gateway.roster.configuration
    charge_points = tuple(replace(one, labels=labels[one.identity]) for one in before.charge_points)
    return await site.gateway.reload(replace(before, charge_points=charge_points))


async def found(site, *labels):
    page = await site.get("/charge-points", label=list(labels))
    assert page["total"] == len(page["items"])
    return [one["identity"] for one in page["items"]]


def test_a_list_is_filtered_by_labels_and_shows_them(at_site):
    async def scenario(site):
        await labelled(site)
        shown = await site.get("/charge-points")
        assert [one["labels"] for one in shown["items"]] == [dict(one) for one in LABELS.values()]
        assert (await site.get("/charge-points/CP-2"))["labels"] == {"site": "Villa: Süd", "circuit": "2"}
        assert await found(site, "site:Villa: Süd") == ["CP-1", "CP-2"]
        assert await found(site, "site:Villa: Süd", "circuit:2") == ["CP-2"]
        assert await found(site, "site:villa: süd") == []
        page = await site.get("/charge-points", label="site:Villa: Süd", limit=1, offset=1)
        assert (page["total"], [one["identity"] for one in page["items"]]) == (2, ["CP-2"])

    at_site(scenario, "CP-1", "CP-2", "CP-3")


def test_new_labels_disturb_nothing(at_site):
    async def scenario(site):
        await site.start_charging("CP-1")
        before = await site.get("/charge-points/CP-1")
        changes = await labelled(site)
        assert len(changes.changed) == 2
        after = await site.get("/charge-points/CP-1")
        assert after["labels"] == dict(LABELS["CP-1"])
        assert after["transaction"]["number"] == before["transaction"]["number"]
        assert after["link"]["state_since"] == before["link"]["state_since"]
        assert after["link"]["reconnects"] == before["link"]["reconnects"]

    at_site(scenario, "CP-1", "CP-2", "CP-3")


@pytest.mark.parametrize("label", ["site", "site:", ":Villa", "a b:x", "site:" + "x" * 101])
def test_a_label_that_cannot_be_one_is_named(at_site, label):
    async def scenario(site):
        answer = await site.client.get("/charge-points", params={"label": label})
        assert answer.status_code == 422
        assert "label" in answer.json()["error"]

    at_site(scenario)


def test_labels_are_not_in_metrics(at_site):
    async def scenario(site):
        await labelled(site)
        answer = await site.client.get("/metrics")
        assert "Villa" not in answer.text

    at_site(scenario, "CP-1", "CP-2", "CP-3")
