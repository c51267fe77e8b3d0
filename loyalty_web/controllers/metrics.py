from typing import Protocol, runtime_checkable

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from loyalty_web.authentication import OPEN_TO_ALL


@runtime_checkable
class MetricsText(Protocol):
    """All metrics as text."""

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The text, and its content type, of those in `accept` the best there is."""
        ...


@get("/metrics", opt={OPEN_TO_ALL: True}, include_in_schema=False, sync_to_thread=True)
def metrics(request: Request[None, None, State], metrics_text: NamedDependency[MetricsText]) -> Response[bytes]:
    """What Prometheus reads. In a thread: it takes milliseconds, in which a sale could be answered."""
    body, content_type = metrics_text.expose(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})
