"""Handlers for sites and circuits, and for the limits of circuits."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.vocabulary import CommandId
from chargebridge.emulators.easee_cloud.charger.layout import Circuit, Site
from chargebridge.emulators.easee_cloud.problems import answer, not_found
from chargebridge.emulators.easee_cloud.rest import requests
from chargebridge.emulators.easee_cloud.rest.bodies import charger_body
from chargebridge.emulators.easee_cloud.rest.context import Context, Route
from chargebridge.emulators.easee_cloud.rest.odd_lists import OddLists
from chargebridge.emulators.easee_cloud.roster import Roster

Amperes = Annotated[float, Meta(ge=0, le=500)]
SharedAmperes = Annotated[float, Meta(ge=0, le=1000)]
"""Of the second and third phase; Easee's API takes more for them than for the first."""
Minutes = Annotated[int, Meta(ge=0, le=366 * 24 * 60)]
_CREATED: Final = "2023-01-10T08:00:00Z"


class DynamicCurrent(Struct, frozen=True, rename="camel"):
    """The dynamic current of a circuit."""

    phase1: Amperes = 0
    phase2: Amperes = 0
    phase3: Amperes = 0
    time_to_live: Minutes | None = None


class CircuitSettings(Struct, frozen=True, rename={"time_to_live": "timeToLive"}):
    """The settings of a circuit; absent fields stay unchanged."""

    dynamicCircuitCurrentP1: Amperes | UnsetType = UNSET  # noqa: N815 - as it is on the wire
    dynamicCircuitCurrentP2: SharedAmperes | UnsetType = UNSET  # noqa: N815
    dynamicCircuitCurrentP3: SharedAmperes | UnsetType = UNSET  # noqa: N815
    maxCircuitCurrentP1: Amperes | UnsetType = UNSET  # noqa: N815
    maxCircuitCurrentP2: Amperes | UnsetType = UNSET  # noqa: N815
    maxCircuitCurrentP3: Amperes | UnsetType = UNSET  # noqa: N815
    offlineMaxCircuitCurrentP1: Amperes | UnsetType = UNSET  # noqa: N815
    offlineMaxCircuitCurrentP2: Amperes | UnsetType = UNSET  # noqa: N815
    offlineMaxCircuitCurrentP3: Amperes | UnsetType = UNSET  # noqa: N815
    enableIdleCurrent: bool | UnsetType = UNSET  # noqa: N815
    time_to_live: Minutes | None = None


class RatedCurrent(Struct, frozen=True, rename="camel"):
    """The fuse of a circuit."""

    rated_current_fuse_value: Amperes


_PHASED: Final = (
    ("dynamicCircuitCurrentP", CommandId.SET_DYNAMIC_CIRCUIT_CURRENT),
    ("maxCircuitCurrentP", CommandId.SET_MAX_CIRCUIT_CURRENT),
    ("offlineMaxCircuitCurrentP", CommandId.SET_DYNAMIC_CURRENT_OFFLINE_FALLBACK),
)


def routes(context: Context) -> list[Route]:
    """Return the routes of this part."""
    handlers = _Sites(context)
    circuit = "/api/sites/{site}/circuits/{circuit}"
    return [
        Route("GET", "/api/sites", "sites", handlers.list_all),
        Route("GET", "/api/sites/{site}", "site", handlers.one),
        Route("GET", "/api/sites/{site}/state", "site_state", handlers.state),
        Route("GET", "/api/sites/{site}/energy", "site_energy", handlers.energy),
        Route("GET", "/api/sites/{site}/users", "site_users", handlers.users),
        Route("GET", f"{circuit}/settings", "circuit_settings", handlers.read_settings),
        Route("POST", f"{circuit}/settings", "circuit_settings", handlers.change_settings),
        Route("GET", f"{circuit}/dynamicCurrent", "circuit_dynamic", handlers.read_dynamic),
        Route("POST", f"{circuit}/dynamicCurrent", "circuit_dynamic", handlers.change_dynamic),
        Route("POST", f"{circuit}/rated_current", "circuit_rated", handlers.change_rated),
    ]


class _Sites:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def list_all(self, _: web.Request) -> web.Response:
        roster = self._context.roster
        return answer([site_body(site, roster, detailed=False) for site in roster.layout.sites.values()])

    async def one(self, request: web.Request) -> web.Response:
        roster = self._context.roster
        detailed = request.query.get("detailed", "").lower() == "true"
        return answer(site_body(roster.site(request.match_info["site"]), roster, detailed=detailed))

    async def state(self, request: web.Request) -> web.Response:
        """Return the state without states of chargers, as the API has done since 2022."""
        site = self._context.roster.site(request.match_info["site"])
        circuits = [
            {"circuitId": circuit.id, "siteId": site.id, "chargerStates": []} for circuit in site.circuits
        ]
        return answer({"siteId": site.id, "circuitStates": circuits})

    async def energy(self, request: web.Request) -> web.Response:
        """Return the register of each charger of a site in kWh, null if it has never reported one."""
        roster = self._context.roster
        serials = [
            serial
            for circuit in roster.site(request.match_info["site"]).circuits
            for serial in circuit.serials
        ]
        return answer(
            [
                {
                    "chargerId": serial,
                    "lifeTimeEnergy": roster[serial].last_values.typed(Observation.LIFETIME_ENERGY),
                }
                for serial in serials
            ]
        )

    async def users(self, request: web.Request) -> web.Response:
        self._context.roster.site(request.match_info["site"])
        settings = self._context.settings
        user = {"userId": settings.user_id, "siteId": int(request.match_info["site"]), "name": "The account"}
        return answer({"siteUsers": [user]})

    async def read_settings(self, request: web.Request) -> web.Response:
        limits = self._circuit(request).limits
        body: dict[str, object] = {}
        for name, phases in (
            ("dynamicCircuitCurrentP", limits.dynamic_a),
            ("maxCircuitCurrentP", limits.maximum_a),
            ("offlineMaxCircuitCurrentP", limits.offline_a),
        ):
            body |= {f"{name}{phase}": amperes for phase, amperes in enumerate(phases, 1)}
        return answer(body)

    async def change_settings(self, request: web.Request) -> web.Response:
        """Answer 200 with an empty body, although CommandResponses follow."""
        circuit = self._circuit(request)
        wanted = await requests.body(request, CircuitSettings)
        limits = circuit.limits
        kept = {
            CommandId.SET_DYNAMIC_CIRCUIT_CURRENT: limits.dynamic_a,
            CommandId.SET_MAX_CIRCUIT_CURRENT: limits.maximum_a,
            CommandId.SET_DYNAMIC_CURRENT_OFFLINE_FALLBACK: limits.offline_a,
        }
        for name, command in _PHASED:
            given = [getattr(wanted, f"{name}{phase}") for phase in (1, 2, 3)]
            if all(value is UNSET for value in given):
                continue
            pairs = zip(given, kept[command], strict=True)
            arguments = [str(before if value is UNSET else value) for value, before in pairs]
            if command is CommandId.SET_DYNAMIC_CIRCUIT_CURRENT:
                arguments.append(str(wanted.time_to_live or 0))
            self._send(circuit, command, arguments)
        if wanted.enableIdleCurrent is not UNSET:
            self._send(circuit, CommandId.ENABLE_IDLE_CURRENT, [str(wanted.enableIdleCurrent)])
        return web.Response(status=HTTPStatus.OK)

    async def read_dynamic(self, request: web.Request) -> web.Response:
        limits = self._circuit(request).limits
        if limits.dynamic_a == (limits.default_dynamic_a,) * 3:
            raise not_found("No dynamic current is set.")
        first, second, third = limits.dynamic_a
        return answer({"phase1": first, "phase2": second, "phase3": third})

    async def change_dynamic(self, request: web.Request) -> web.Response:
        """Answer 200 with an empty body, although a CommandResponse (22) follows."""
        circuit = self._circuit(request)
        wanted = await requests.body(request, DynamicCurrent)
        phases = (wanted.phase1, wanted.phase2, wanted.phase3)
        arguments = [*map(str, phases), str(wanted.time_to_live or 0)]
        self._send(circuit, CommandId.SET_DYNAMIC_CIRCUIT_CURRENT, arguments)
        return web.Response(status=HTTPStatus.OK)

    async def change_rated(self, request: web.Request) -> web.Response:
        circuit = self._circuit(request)
        wanted = await requests.body(request, RatedCurrent)
        self._send(circuit, CommandId.SET_CIRCUIT_RATED_CURRENT, [str(wanted.rated_current_fuse_value)])
        return web.Response(status=HTTPStatus.OK)

    def _send(self, circuit: Circuit, command: CommandId, arguments: list[str]) -> None:
        """Send a command to the master, which holds the circuit's values."""
        self._context.commands.accept(self._context.roster[circuit.serials[0]], command, arguments)

    def _circuit(self, request: web.Request) -> Circuit:
        parts = request.match_info
        return self._context.roster.circuit(parts["site"], parts["circuit"])


def site_body(
    site: Site, roster: Roster, *, detailed: bool, lists: OddLists | None = None
) -> Mapping[str, object]:
    """Return a site as JSON, with its circuits if `detailed`; `lists` makes entries of chargers odd."""
    body: dict[str, object] = {
        "id": site.id,
        "uuid": f"00000000-0000-4000-8000-{site.id:012d}",
        "siteKey": f"EM{site.id}",
        "name": site.name,
        "levelOfAccess": 1,
        "accessMode": 1,
        "createdOn": _CREATED,
        "updatedOn": _CREATED,
        "siteType": 1,
        "address": {
            "street": "Emulated Street",
            "buildingNumber": "1",
            "zip": "4007",
            "area": "Stavanger",
            "country": {"id": "NO", "name": "Norway", "phonePrefix": 47},
        },
        "contactInfo": {
            "installerName": None,
            "installerPhoneNumber": None,
            "ownerName": None,
            "ownerPhoneNumber": None,
            "company": None,
        },
        "costPerKWh": 0.0,
        "costPerKwhExcludeVat": 0.0,
        "vat": 25.0,
        "currencyId": "NOK",
        "ratedCurrent": sum(circuit.limits.rated_a for circuit in site.circuits),
        "useDynamicMaster": False,
        "partnerId": None,
        "userRole": 1,
        "installerId": None,
    }
    if detailed:
        body["circuits"] = [circuit_body(circuit, roster, lists) for circuit in site.circuits]
        body["equalizers"] = []
    return body


def circuit_body(circuit: Circuit, roster: Roster, lists: OddLists | None = None) -> Mapping[str, object]:
    """Return a circuit with its chargers as JSON."""
    chargers = [{**charger_body(roster[serial]), "isTemporary": False} for serial in circuit.serials]
    master = roster[circuit.serials[0]]
    return {
        "id": circuit.id,
        "uuid": f"00000000-0000-4000-8000-{circuit.id:012d}",
        "siteId": circuit.site.id,
        "circuitPanelId": circuit.site.circuits.index(circuit) + 1,
        "panelName": f"{circuit.site.circuits.index(circuit) + 1}",
        "ratedCurrent": circuit.limits.rated_a,
        "fuse": circuit.limits.rated_a,
        "chargers": chargers if lists is None else [lists.charger(one) for one in chargers],
        "masterBackplate": {"id": master.serial.replace("EH", "BP"), "masterBackPlateId": None},
        "useDynamicMaster": False,
        "parentCircuitId": None,
    }
