"""The published description of the calls: OpenAPI 3.1, with an example of every call and every error it can give."""

from importlib import metadata
from typing import Any, Final

import msgspec
from litestar import Request, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from typing_extensions import override

from loyalty_core.domain.session import TERMINAL
from loyalty_core.use_cases.answers import (
    CancelAnswer,
    FinalizeAnswer,
    IdentifyAnswer,
    QuoteAnswer,
    ReturnAnswer,
    StatusAnswer,
)
from loyalty_core.use_cases.list_sessions import SessionPage
from loyalty_web.authentication import OPEN_TO_ALL
from loyalty_web.controllers.health import HealthAnswer
from loyalty_web.health import Health
from loyalty_web.json_numbers import ExactNumber, WholeNumber
from loyalty_web.openapi_examples import ANSWERS, REQUESTS
from loyalty_web.openapi_links import LINKS, headers_of
from loyalty_web.problem_details import PROBLEM_JSON, Problem
from loyalty_web.return_schemas import ReturnGoodsRequest
from loyalty_web.schemas import CalculateRequest, CancelRequest, FinalizeRequest, IdentifyRequest

_REFERENCE: Final = "#/components/schemas/{name}"
_DESCRIBED: Final = (
    IdentifyRequest,
    CalculateRequest,
    FinalizeRequest,
    CancelRequest,
    ReturnGoodsRequest,
    IdentifyAnswer,
    QuoteAnswer,
    FinalizeAnswer,
    CancelAnswer,
    ReturnAnswer,
    StatusAnswer,
    SessionPage,
    HealthAnswer,
    Health,
    Problem,
)
# The framework describes the items of a list by their Python type alone.
_MORE_OF_PARAMETERS: Final = {
    ("/sessions", "status"): {"items": {"type": "string", "enum": sorted(TERMINAL)}, "minItems": 1}
}


def configuration() -> OpenAPIConfig:
    """How Litestar describes the service."""
    return OpenAPIConfig(
        title="Loyalty service",
        version=metadata.version("loyalty-service"),
        description="Real-time loyalty between POS terminals and the PDI host.",
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name.rpartition(".")[2],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="`Authorization: Bearer lk_...`"),
                "apiKey": SecurityScheme(
                    type="apiKey", name="X-API-Key", security_scheme_in="header", description="`X-API-Key: lk_...`"
                ),
            }
        ),
        security=[{"bearer": []}, {"apiKey": []}],
        render_plugins=[_ExactJson()],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, opt={OPEN_TO_ALL: True}),
    )


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Litestar's document with the schemas as they are decoded and encoded here, and with examples."""
    _, schemas = msgspec.json.schema_components(_DESCRIBED, schema_hook=_schema_of, ref_template=_REFERENCE)
    paths = msgspec.json.decode(msgspec.json.encode(document["paths"]))
    for path, operations in paths.items():
        for operation in operations.values():
            _add_what_is_ours(path, operation)
            if path.startswith("/health"):
                operation["security"] = []
    components = {**document["components"], "schemas": _numbers_as_numbers(schemas)}
    return {**document, "paths": paths, "components": components}


class _ExactJson(JsonRenderPlugin):
    """Serves the completed document; it is made once."""

    def __init__(self) -> None:
        super().__init__()
        self._body: bytes | None = None

    @override
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._body is None:
            self._body = msgspec.json.encode(complete(openapi_schema))
        return self._body


def _schema_of(kind: type[Any]) -> dict[str, Any]:
    if kind is ExactNumber:
        return {"type": "number"}
    if kind is WholeNumber:
        return {"type": "integer"}
    raise NotImplementedError(f"no schema for {kind.__name__}")


def _numbers_as_numbers(schema: Any) -> Any:
    """Decimals are JSON numbers on this wire."""
    match schema:
        case {"type": "string", "format": "decimal", **more}:
            return {"type": "number", **more}
        case dict():
            return {key: _numbers_as_numbers(value) for key, value in schema.items()}
        case list():
            return [_numbers_as_numbers(value) for value in schema]
        case _:
            return schema


def _add_what_is_ours(path: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        # A header cannot be null, only absent.
        alternatives = parameter["schema"].pop("oneOf", [{}])
        parameter["schema"] |= next(kind for kind in alternatives if kind.get("type") != "null")
        parameter["schema"] |= _MORE_OF_PARAMETERS.get((path, parameter["name"]), {})
    for response in operation["responses"].values():
        for media in response.get("content", {}).values():
            for example in media.get("examples", {}).values():
                del example["id"]  # the framework's own; the standard knows no such field
    if path in REQUESTS:
        operation["requestBody"]["content"]["application/json"]["example"] = REQUESTS[path]
    for status, response in operation["responses"].items():
        if (path, status) in ANSWERS:
            response["content"]["application/json"]["example"] = ANSWERS[path, status]
        if (path, status) in LINKS:
            response["links"] = LINKS[path, status]
        response["headers"] = headers_of(path, status, problem=PROBLEM_JSON in response.get("content", {}))
