"""Who may use the API, and what is told to those who may not or do it wrong."""

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "Bearer"),
        ({"Authorization": "Bearer the token of other tests"}, 'Bearer error="invalid_token"'),
        ({"Authorization": "Bearer the token of these test"}, 'Bearer error="invalid_token"'),
        ({"Authorization": "Bearer tökens".encode()}, 'Bearer error="invalid_token"'),
    ],
)
def test_request_without_the_token_is_refused(at_site, headers, challenge):
    async def scenario(site):
        del site.client.headers["Authorization"]
        answer = await site.client.get("/charge-points", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == challenge
        assert answer.json()["error"] == "the token is missing or wrong"
        assert "api-token" in answer.json()["remedy"]

    at_site(scenario)


def test_only_health_readiness_and_the_description_are_open(at_site):
    async def scenario(site):
        paths = (await site.get("/openapi.json"))["paths"]
        del site.client.headers["Authorization"]
        open_paths = {"/docs", "/openapi.json"}
        for path, operations in paths.items():
            for method in operations:
                answer = await site.client.request(method, path.replace("{identity}", "CP-1"))
                if answer.status_code != 401:
                    open_paths.add(path)
        assert open_paths == {"/docs", "/openapi.json", "/health", "/ready"}
        assert (await site.client.get("/docs")).status_code == 200

    at_site(scenario)


def test_healthy_program_says_so(at_site):
    async def scenario(site):
        assert await site.get("/health") == {"status": "ok"}
        assert await site.get("/ready") == {"status": "ok"}

    at_site(scenario)


def test_large_body_is_not_read_before_anybody_asks_for_the_token(at_site):
    async def scenario(site):
        del site.client.headers["Authorization"]
        answer = await site.client.post(
            "/charge-points/CP-1/charger/present-token", content=b'{"id_tag": "' + b"x" * 70_000
        )
        assert answer.status_code == 413
        assert answer.json() == {"error": "a body of more than 65536 bytes"}

    at_site(scenario)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/charge-points", 405), ("GET", "/charge-points?limit=0", 422)],
)
def test_every_error_has_the_same_shape(at_site, method, path, status):
    async def scenario(site):
        found, problem = await site.refused(method, path)
        assert found == status
        assert problem["error"]
        assert problem.keys() <= {"error", "remedy"}

    at_site(scenario)
