"""A page for people about the calls, made here from the published description: it loads nothing from anywhere."""

import html
import json
from typing import Any, Final

from litestar import MediaType, Request, Response, get

from loyalty_web.authentication import OPEN_TO_ALL
from loyalty_web.openapi import complete
from loyalty_web.problem_details import KINDS

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24 }
h2 { border-top: 1px solid #d0d7de; padding-top: 1.5rem } code, pre { font-family: ui-monospace, monospace }
pre { background: #f6f8fa; padding: 1rem; overflow-x: auto } table { border-collapse: collapse; width: 100% }
td, th { border: 1px solid #d0d7de; padding: .3rem .6rem; text-align: left; vertical-align: top }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@get("/docs", opt={OPEN_TO_ALL: True}, media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def docs(request: Request[Any, Any, Any]) -> Response[str]:
    """The page."""
    page = _page(complete(request.app.openapi_schema.to_schema()))
    return Response(page, media_type=MediaType.HTML, headers={"Content-Security-Policy": _POLICY})


def _page(document: dict[str, Any]) -> str:
    title = _text(document["info"]["title"])
    schemas = document["components"]["schemas"]
    calls = [
        _call(method, path, operation, schemas)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>",
        f"<h1>{title} {_text(document['info']['version'])}</h1><p>{_text(document['info']['description'])}",
        " Machines read <a href=/schema/openapi.json>/schema/openapi.json</a>.</p>",
        "<p>Send the API key as <code>Authorization: Bearer lk_...</code> or <code>X-API-Key: lk_...</code>.</p>",
        *calls,
        _errors(),
    ]
    return "".join(parts)


def _call(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {_text(path)}</code> {_text(operation.get('summary', ''))}</h2>"]
    parts.append(f"<p>{_text(operation.get('description', ''))}</p>")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        parts.append(_fields(schemas[body["schema"]["$ref"].rpartition("/")[2]]))
        parts.append(_json(body["example"]))
    parts += [
        f"<p><code>{_text(parameter['name'])}</code> in the {_text(parameter['in'])}: "
        f"{_text(parameter.get('description', ''))}</p>"
        for parameter in operation.get("parameters", [])
    ]
    for status, response in operation["responses"].items():
        parts.append(f"<p><b>{status}</b> {_text(response['description'])}</p>")
        example = response.get("content", {}).get("application/json", {}).get("example")
        if example is not None:
            parts.append(_json(example))
    return "".join(parts)


def _fields(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        f"<tr><td><code>{_text(name)}</code><td>{'required' if name in required else 'optional'}"
        f"<td>{_text(field.get('description', ''))}"
        for name, field in schema["properties"].items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _errors() -> str:
    rows = [
        f"<tr id={code}><td>{kind.status.value}<td><code>{code}</code><td>{_text(kind.title)}"
        for code, kind in sorted(KINDS.items(), key=lambda entry: entry[1].status)
    ]
    return f"<h2>Errors</h2><table><tr><th>status<th>code<th>meaning{''.join(rows)}</table>"


def _json(value: Any) -> str:
    return f"<pre>{_text(json.dumps(value, indent=2))}</pre>"


def _text(value: str) -> str:
    return html.escape(value)
