"""Days of chargers under central systems that nobody here wrote; docs/interoperability.md tells of them."""

import asyncio

import pytest

from tests.integration.gateway.interoperability.libraries import LIBRARIES

pytestmark = pytest.mark.integration

EASEE, OCPP16 = "easee", "ocpp16"
REGISTER = "Energy.Active.Import.Register"
MEASURANDS = f"Current.Import,Current.Offered,{REGISTER},Power.Active.Import,Voltage,Temperature"

every_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)


def charge_point(preset, library):
    """A charge point of this preset, named after it, as the page says that it has to be set."""
    keys = {"MeterValuesSampledData": MEASURANDS, "StopTxnSampledData": MEASURANDS}
    known = ["first-edition"] if library.refuses else []
    return {"identity": preset, "behaviour": preset, "compatibility": known, "configuration": keys}


class Day:
    """The day of one charger."""

    def __init__(self, pair, library, identity, wait_until):
        self.pair, self.library, self.identity, self.until = pair, library, identity, wait_until

    async def hears(self, action, **where):
        return (await self.pair.program.hears(self.identity, action, **where))["payload"]

    async def call(self, action, **payload):
        return await self.pair.program.call(self.identity, action, **payload)

    async def act(self, action, **arguments):
        return await self.pair.act(self.identity, action, **arguments)

    async def sees(self, condition):
        """Wait until the charger's own view of itself fulfils this."""
        async with asyncio.timeout(25):
            while not condition(view := await self.act("view")):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
        return view

    async def begins(self):
        """Registered and idle, and what it tells of its keys is what is in effect."""
        await self.hears("BootNotification")
        await self.hears("StatusNotification", connectorId=0, status="Available")
        await self.hears("StatusNotification", connectorId=1, status="Available")
        every = await self.call("GetConfiguration")
        assert {"SupportedFeatureProfiles", "HeartbeatInterval"} <= {
            one["key"] for one in every["configurationKey"]
        }
        assert await self.call("ChangeConfiguration", key="HeartbeatInterval", value="600") == ACCEPTED
        read = await self.call("GetConfiguration", key=["HeartbeatInterval", "Nonsense"])
        assert [one["value"] for one in read["configurationKey"]] == ["600"]
        assert read["unknownKey"] == ["Nonsense"]
        triggered = {"requestedMessage": "StatusNotification", "connectorId": 1}
        assert await self.call("TriggerMessage", **triggered) == ACCEPTED
        await self.hears("StatusNotification", connectorId=1, status="Available")

    async def is_asked_much(self):
        """What else a central system may ask for, as far as it is built."""
        listed = [{"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}]
        sent = await self.call(
            "SendLocalList", listVersion=3, updateType="Full", localAuthorizationList=listed
        )
        assert sent == ACCEPTED
        assert await self.call("GetLocalListVersion") == {"listVersion": 3}
        assert await self.call("ClearCache") == ACCEPTED
        for kind, status in (("Inoperative", "Unavailable"), ("Operative", "Available")):
            assert await self.call("ChangeAvailability", connectorId=1, type=kind) == ACCEPTED
            await self.hears("StatusNotification", connectorId=1, status=status)
        asked = await self.call("DataTransfer", vendorId="no.vendor")
        assert asked["status"] == "UnknownVendorId"
        assert (await self.call("UnlockConnector", connectorId=1))["status"] == "Unlocked"

    async def charges_remotely(self):
        """Started by the central system, limited, and stopped by it."""
        await self.act("plug_in")
        await self.hears("StatusNotification", connectorId=1, status="Preparing")
        assert await self.call("RemoteStartTransaction", connectorId=1, idTag="APP") == ACCEPTED
        started = await self.pair.program.hears(self.identity, "StartTransaction", idTag="APP")
        transaction = started["answered"]["transactionId"]
        await self.hears("StatusNotification", connectorId=1, status="Charging")
        await self.sees(lambda view: view["currents_a"] == [16.0, 16.0, 16.0])
        measured = await self.hears("MeterValues", connectorId=1, transactionId=transaction)
        assert measured["meterValue"][0]["sampledValue"]
        await self.limited()
        stopped = await self.call("RemoteStopTransaction", transactionId=transaction)
        assert stopped == ACCEPTED
        await self.hears("StopTransaction", transactionId=transaction, reason="Remote")
        await self.act("unplug")
        await self.hears("StatusNotification", connectorId=1, status="Available")

    async def limited(self):
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": "2026-01-01T00:00:00Z",
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 9.5}],
            },
        }
        set_ = await self.call("SetChargingProfile", connectorId=1, csChargingProfiles=profile)
        assert set_ == ACCEPTED
        await self.sees(lambda view: view["currents_a"] == [9.5, 9.5, 9.5])
        schedule = await self.call("GetCompositeSchedule", connectorId=1, duration=600, chargingRateUnit="A")
        assert schedule["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 9.5
        assert await self.call("ClearChargingProfile", id=1) == ACCEPTED
        await self.sees(lambda view: view["currents_a"] == [16.0, 16.0, 16.0])

    async def charges_by_card(self):
        """A card that is refused, then one that is not."""
        await self.act("plug_in")
        await self.act("present_token", id_tag="BLOCKED")
        await self.hears("Authorize", idTag="BLOCKED")
        # Until it is answered, the reader takes no other.
        await self.until(lambda: "Authorize" in self.pair.results[self.identity])
        await self.act("present_token", id_tag="CARD")
        await self.hears("Authorize", idTag="CARD")
        await self.hears("StartTransaction", idTag="CARD")
        await self.hears("StatusNotification", connectorId=1, status="Charging")

    async def goes_on_while_cut(self):
        """While the connection is down, one car charges on and leaves, and another comes and goes."""
        await self.charges_and_leaves()
        await self.act("plug_in")
        await self.act("present_token", id_tag="CARD")
        await self.charges_and_leaves()

    async def charges_and_leaves(self):
        before = await self.sees(lambda view: view["session"] is not None)
        await self.sees(lambda view: view["register_wh"] > before["register_wh"] + 500)
        await self.act("unplug")
        await self.sees(lambda view: view["session"] is None)

    async def is_back(self):
        """All of it is told, in its order."""
        first = await self.hears("StopTransaction", reason="EVDisconnected")
        later = await self.hears("StartTransaction", idTag="CARD")
        assert later["meterStart"] == first["meterStop"]
        last = await self.hears("StopTransaction", reason="EVDisconnected")
        assert last["meterStop"] == (await self.act("view"))["register_wh"]
        await self.hears("StatusNotification", connectorId=1, status="Available")
        # A connection that comes back is no boot.
        assert self.pair.program.said(self.identity, "BootNotification") == []

    async def is_reset(self):
        assert await self.call("Reset", type="Soft") == ACCEPTED
        await self.hears("BootNotification")
        await self.hears("StatusNotification", connectorId=1, status="Available")

    async def reconciles(self, transactions):
        """All is delivered, and the central system's books are the charger's register."""
        await self.until(lambda: self.pair.is_settled(self.identity))
        books = self.pair.program.books(self.identity)
        register_wh = (await self.act("view"))["register_wh"]
        assert len(books) == transactions
        assert None not in [end for _, end in books.values()]
        assert sum(end - begin for begin, end in books.values()) == register_wh


ACCEPTED = {"status": "Accepted"}


@every_library
async def test_a_day_under_it_ends_with_exact_books_and_without_any_error(library, pair, wait_until):
    charge_points = [charge_point(preset, library) for preset in (EASEE, OCPP16)]
    async with pair(library, charge_points) as both:
        days = [Day(both, library, one["identity"], wait_until) for one in charge_points]

        async def all_of_them(part):
            await asyncio.gather(*(part(day) for day in days))

        await all_of_them(Day.begins)
        await all_of_them(Day.is_asked_much)
        await all_of_them(Day.charges_remotely)
        await all_of_them(Day.charges_by_card)
        both.wire.cut()
        await all_of_them(Day.goes_on_while_cut)
        both.wire.mend()
        await all_of_them(Day.is_back)
        await all_of_them(Day.is_reset)
        await all_of_them(lambda day: day.reconciles(transactions=3))
        assert both.errors == {EASEE: [], OCPP16: []}
        assert both.program.complaints == []


@every_library
async def test_what_it_refuses_of_the_defaults_is_what_the_page_says(library, pair, wait_until):
    async with pair(library, [{"identity": EASEE, "behaviour": EASEE}]) as both:
        day = Day(both, library, EASEE, wait_until)
        await day.begins()
        await day.act("plug_in")
        assert await day.call("RemoteStartTransaction", connectorId=1, idTag="APP") == ACCEPTED
        await day.hears("StartTransaction", idTag="APP")
        if library.refuses:
            await wait_until(lambda: both.errors[EASEE])
            assert not both.program.said(EASEE, "MeterValues")
        else:
            measured = await day.hears("MeterValues", connectorId=1)
            samples = [one for value in measured["meterValue"] for one in value["sampledValue"]]
            assert "Temperature" in {one["measurand"] for one in samples}
        await day.act("unplug")
        await day.hears("StopTransaction", reason="EVDisconnected")
        await day.reconciles(transactions=1)
        assert set(both.errors[EASEE]) == set(library.refuses)
        assert both.program.complaints == []
