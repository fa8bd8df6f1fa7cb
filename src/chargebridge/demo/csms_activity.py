"""Lets the central system of a demonstration send requests whose values charge points have to store."""

import asyncio
import itertools
import random
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from typing import Final

from msgspec import structs

from chargebridge.demo.durability_check import CONFIGURATION_KEY, PROFILE_ID, DurabilityCheck, Subject
from chargebridge.emulators.central_system import CallRefused, CentralSystem
from chargebridge.ocpp16 import messages as m
from chargebridge.ocpp16.datatypes import (
    AuthorizationData,
    ChargingProfile,
    ChargingSchedule,
    ChargingSchedulePeriod,
    IdTagInfo,
)
from chargebridge.ocpp16.enums import (
    AuthorizationStatus,
    AvailabilityType,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    MessageTrigger,
    RegistrationStatus,
    UpdateType,
)
from chargebridge.ocpp16.errors import PayloadError

PAUSE_S: Final = (0.1, 0.6)
AT_ONCE: Final = 5
ANSWER_TIMEOUT_S: Final = 20.0
GIVE_BACK_TIMEOUT_S: Final = 60.0
_SHARES: Final = {
    Subject.CONFIGURATION: 6,
    Subject.AVAILABILITY: 1,
    Subject.PROFILE: 2,
    Subject.LOCAL_LIST: 3,
}
_ACCEPTED: Final = {"Accepted", "Scheduled"}


class CsmsActivity:
    """Sends configuration values, availabilities, charging profiles and local lists at random.

    Args:
        central_system: sends the requests.
        identities: the charge points.
        durability_check: records requests and answers.
        dice: the source of randomness.
    """

    def __init__(
        self,
        central_system: CentralSystem,
        identities: Sequence[str],
        durability_check: DurabilityCheck,
        dice: random.Random,
    ) -> None:
        self.paused = False
        self._central_system = central_system
        self._identities = identities
        self._durability_check = durability_check
        self._dice = dice
        self._numbers = itertools.count(1)
        self._inoperative: set[str] = set()
        self._open: set[asyncio.Task[object]] = set()

    @property
    def unanswered(self) -> int:
        """The number of requests without an answer."""
        return len(self._open)

    async def run(self) -> None:
        """Send requests to a few charge points now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._dice.uniform(*PAUSE_S))
            self.ask(self._dice.randint(1, AT_ONCE))

    def ask(self, count: int) -> None:
        """Send a request to each of so many connected and accepted charge points."""
        if self.paused:
            return
        ready = [identity for identity in self._identities if self._ready(identity)]
        self._dice.shuffle(ready)
        # An inoperative charge point serves no car: make it operative again soon.
        ready.sort(key=lambda identity: identity not in self._inoperative)
        for identity in ready[:count]:
            self._spawn(self._ask(identity, self._subject(identity)))

    def trigger_boots(self) -> None:
        """Send TriggerMessage for a BootNotification to every charge point."""
        for identity in filter(self._ready, self._identities):
            self._spawn(
                self._call(identity, m.TriggerMessage(requested_message=MessageTrigger.BOOT_NOTIFICATION))
            )

    async def give_back(self) -> None:
        """Make every inoperative charge point operative again.

        Raises:
            TimeoutError: a charge point does not accept that in time.
        """
        async with asyncio.timeout(GIVE_BACK_TIMEOUT_S):
            await self.settled()
            while self._inoperative:
                self.ask(len(self._inoperative))
                await self.settled()
                await asyncio.sleep(PAUSE_S[0])

    async def settled(self) -> None:
        """Wait until every request is answered or has failed."""
        while self._open:
            await asyncio.wait(self._open)

    def _ready(self, identity: str) -> bool:
        registration = self._central_system.ledger.charge_point(identity).registration
        return registration == RegistrationStatus.ACCEPTED and self._central_system.connected(identity)

    def _spawn(self, request: Coroutine[object, object, object]) -> None:
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(request)
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    def _subject(self, identity: str) -> Subject:
        if identity in self._inoperative:
            return Subject.AVAILABILITY
        return self._dice.choices(list(_SHARES), list(_SHARES.values()))[0]

    async def _ask(self, identity: str, subject: Subject) -> None:
        number = next(self._numbers)
        value, request = self._request(identity, subject, number)
        self._durability_check.record_request(identity, subject, value)
        status = await self._call(identity, request)
        if status in _ACCEPTED:
            if value == AvailabilityType.OPERATIVE:
                self._inoperative.discard(identity)
            self._durability_check.record_acceptance(identity, subject, value)
        elif status is not None:
            self._durability_check.record_refusal(identity, subject, value)

    async def _call(self, identity: str, request: m.Request) -> str | None:
        """Return the status of the answer; None without an answer."""
        try:
            answer = await self._central_system.call(identity, request, ANSWER_TIMEOUT_S)
        except (CallRefused, PayloadError, ConnectionError, TimeoutError):
            return None
        return str(structs.asdict(answer)["status"])

    def _request(self, identity: str, subject: Subject, number: int) -> tuple[str, m.Request]:
        match subject:
            case Subject.CONFIGURATION:
                value = str(1000 + number % 80_000)
                return value, m.ChangeConfiguration(key=CONFIGURATION_KEY, value=value)
            case Subject.AVAILABILITY:
                usable = identity in self._inoperative  # whether it is operative after this request
                self._inoperative.add(identity)
                kind = AvailabilityType.OPERATIVE if usable else AvailabilityType.INOPERATIVE
                return kind.value, m.ChangeAvailability(connector_id=1, type=kind)
            case Subject.PROFILE:
                limit = Decimal(100 + number % 220) / 10
                return f"{float(limit):g}", m.SetChargingProfile(
                    connector_id=1, cs_charging_profiles=_profile(limit)
                )
            case Subject.LOCAL_LIST:
                accepted = IdTagInfo(status=AuthorizationStatus.ACCEPTED)
                tags = tuple(
                    AuthorizationData(id_tag=f"LISTED{number}-{each}", id_tag_info=accepted)
                    for each in range(3)
                )
                return str(number), m.SendLocalList(
                    list_version=number, update_type=UpdateType.FULL, local_authorization_list=tags
                )


def _profile(limit_a: Decimal) -> ChargingProfile:
    return ChargingProfile(
        charging_profile_id=PROFILE_ID,
        stack_level=0,
        charging_profile_purpose=ChargingProfilePurposeType.TX_DEFAULT_PROFILE,
        charging_profile_kind=ChargingProfileKindType.ABSOLUTE,
        charging_schedule=ChargingSchedule(
            charging_rate_unit=ChargingRateUnitType.A,
            charging_schedule_period=(ChargingSchedulePeriod(start_period=0, limit=limit_a),),
        ),
    )
