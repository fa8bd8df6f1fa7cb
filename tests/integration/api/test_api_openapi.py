"""The description that others generate clients from."""

import pytest

pytestmark = pytest.mark.integration

OPERATIONS = {
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "GET /charge-points",
    "GET /drivers",
    "GET /charge-points/{identity}",
    "POST /charge-points/{identity}/link/down",
    "POST /charge-points/{identity}/link/up",
    "POST /charge-points/{identity}/stop-transaction",
    "POST /charge-points/{identity}/reset",
    "POST /charge-points/{identity}/boot",
    "POST /charge-points/{identity}/unlock",
    "GET /charge-points/{identity}/transactions",
    "GET /transactions",
    "GET /leaving-charge-points",
    "GET /leaving-charge-points/{identity}",
    "POST /leaving-charge-points/{identity}/end",
    "GET /queue",
    "POST /queue/{id}/set-aside",
    "GET /dead-letters",
    "POST /dead-letters/{id}/redeliver",
    "POST /charge-points/{identity}/dead-letters/redeliver",
    "POST /dead-letters/{id}/settle",
    "POST /charge-points/{identity}/dead-letters/settle",
    "GET /set-aside",
    "POST /set-aside/{id}/settle",
    "POST /charge-points/{identity}/set-aside/settle",
    "GET /charge-points/{identity}/frames",
    "GET /charge-points/{identity}/frames/live",
    "GET /charge-points/{identity}/charger",
    "POST /charge-points/{identity}/charger/plug-in",
    "POST /charge-points/{identity}/charger/unplug",
    "POST /charge-points/{identity}/charger/present-token",
    "POST /charge-points/{identity}/charger/pause-car",
    "POST /charge-points/{identity}/charger/resume-car",
    "POST /charge-points/{identity}/charger/raise-fault",
    "POST /charge-points/{identity}/charger/clear-fault",
    "POST /charge-points/{identity}/charger/power-cycle",
    "POST /charge-points/{identity}/charger/lose-cloud",
    "POST /charge-points/{identity}/charger/lose-ends",
    "POST /charge-points/{identity}/charger/lose-starts",
    "POST /charge-points/{identity}/charger/regain-cloud",
    "POST /backup",
}
OPEN = {"GET /health", "GET /ready"}


def test_every_operation_is_described_with_its_errors(at_site):
    async def scenario(site):
        document = await site.get("/openapi.json")
        operations = {
            f"{method.upper()} {path}": operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        assert operations.keys() == OPERATIONS
        problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for name, operation in operations.items():
            assert operation["summary"], name
            assert operation["description"], name
            assert len(operation["tags"]) == 1, name
            assert bool(operation.get("security")) == (name not in OPEN), name
            assert ("401" in operation["responses"]) == (name not in OPEN), name
            parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
            has_id = "{" in name or "charge_point" in parameters
            assert ("404" in operation["responses"]) == has_id, name
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert response["content"] == problem, name
                    assert response["description"], name

    at_site(scenario)


def test_media_types_are_those_that_are_sent(at_site):
    async def scenario(site):
        paths = (await site.get("/openapi.json"))["paths"]

        def media(path):
            return set(paths[path]["get"]["responses"]["200"]["content"])

        assert media("/transactions") == {"application/json", "text/csv"}
        assert media("/charge-points/{identity}/transactions") == {"application/json", "text/csv"}
        assert media("/charge-points/{identity}/frames/live") == {"text/event-stream"}
        assert media("/metrics") == {"text/plain"}

    at_site(scenario)
