"""The published description: valid, self-contained, and true of the routes and of what they take and give."""

from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from loyalty_web.app import create_litestar
from loyalty_web.problem_details import KINDS
from tests.web.service import GOLD, Service


@pytest.fixture
async def document(shared: Service) -> dict[str, Any]:
    reply = await shared.get("/schema/openapi.json", key="")
    assert reply.status == 200
    document: dict[str, Any] = reply.json
    return document


def test_it_is_valid(document: dict[str, Any]) -> None:
    """It says OpenAPI 3.1 and is."""
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
        assert schema["title"] == name


def test_it_describes_every_route_and_no_other(document: dict[str, Any], shared: Service) -> None:
    """Calls that a POS can make are described, and what is described can be called."""
    served = {
        (route.path, method.lower())
        for route in create_litestar(shared.container).routes
        for handler in route.route_handlers  # type: ignore[union-attr]  # every route here is an HTTP route
        if handler.resolve_include_in_schema()
        for method in handler.http_methods
        if method != "OPTIONS"
    }
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert served == described
    assert {"/identify", "/calculateRewards", "/finalize", "/cancel", "/getSessionStatus", "/health"} <= {
        path for path, _ in described
    }


def test_every_error_is_a_problem_of_the_table(document: dict[str, Any]) -> None:
    """Each declares the media type it is sent as, and its codes with their statuses."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) < 400 or "application/problem+json" not in response.get("content", {}):
                    continue
                examples = response["content"]["application/problem+json"]["examples"]
                assert {int(status)} == {KINDS[code].status.value for code in examples}
                assert set(response["content"]) == {"application/problem+json"}


def test_calls_need_a_key_and_health_does_not(document: dict[str, Any]) -> None:
    """Either header will do."""
    assert [{"bearer": []}, {"apiKey": []}] == document["security"]
    assert {"bearer", "apiKey"} == set(document["components"]["securitySchemes"])
    assert [] == document["paths"]["/health"]["get"]["security"]


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    """What a developer copies is what the call takes, and what it gives."""
    checked = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            contents = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (media for content in contents for media in content.get("content", {}).values()):
                examples = [media["example"]] if "example" in media else []
                examples += [example["value"] for example in media.get("examples", {}).values()]
                schema = {**media["schema"], "components": document["components"]}
                for example in examples:
                    jsonschema_rs.validate(schema, example)
                    checked += 1
    assert checked > 50


async def test_real_answers_fit_their_schemas(document: dict[str, Any], service: Service) -> None:
    """A whole sale, judged by the published description."""
    opened = await service.identify()
    session = opened.json["sessionId"]
    quoted = await service.post(
        "/calculateRewards",
        {"sessionId": session, "transactionAmount": 150, "items": [{"sku": "SKU-001", "qty": 2, "unitPrice": 75}]},
    )
    final = await service.post(
        "/finalize", {"sessionId": session, "transactionId": "TXN-67890", "finalAmount": 150, "applyRewards": True}
    )
    status = await service.get(f"/getSessionStatus?sessionId={session}")
    refused = await service.post("/cancel", {"sessionId": session})
    for path, method, reply in (
        ("/identify", "post", opened),
        ("/calculateRewards", "post", quoted),
        ("/finalize", "post", final),
        ("/getSessionStatus", "get", status),
        ("/cancel", "post", refused),
    ):
        content = document["paths"][path][method]["responses"][str(reply.status)]["content"]
        media = content[reply.headers["Content-Type"]]
        jsonschema_rs.validate({**media["schema"], "components": document["components"]}, reply.json)


async def test_the_examples_of_the_description_work(document: dict[str, Any], service: Service) -> None:
    """The bodies shown for the calls are taken as they stand, but for the session's name."""
    bodies = {
        path: operations["post"]["requestBody"]["content"]["application/json"]["example"]
        for path, operations in document["paths"].items()
        if "post" in operations and path in {"/identify", "/calculateRewards", "/finalize"}
    }
    assert GOLD == bodies["/identify"]["customerId"]
    session = (await service.post("/identify", bodies["/identify"])).json["sessionId"]
    for path in ("/calculateRewards", "/finalize"):
        assert (await service.post(path, {**bodies[path], "sessionId": session})).status == 200


async def test_the_page_for_people_loads_nothing(shared: Service) -> None:
    """It names every call and code, and refers to no address but our own; a browser would not load one either."""
    page = await shared.get("/docs", key="")
    assert page.status == 200
    text = page.body.decode()
    for word in ("/identify", "/finalize", "/getSessionStatus", *KINDS):
        assert word in text
    for outside in ("http:", "https:", "//", "<script", "<link", "<img", "url("):
        assert outside not in text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
