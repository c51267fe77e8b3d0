from typing import Any, Final

import pytest

from loyalty_adapters.observability import SHARED_METRICS
from loyalty_web.settings import variables
from tests.deploy.files import DOCKER, document

COMPOSE: Final = document(DOCKER / "compose.yaml")
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name for name, service in SERVICES.items() if service["image"].startswith("loyalty-service")}
KNOWN: Final = {row.name for row in variables()} | {SHARED_METRICS}


def test_the_servers_are_those_of_the_contract() -> None:
    """PostgreSQL 16 and Redis 7 on Alpine, and nothing floats: every other image has its version."""
    assert "postgres:16-alpine" == SERVICES["postgres"]["image"]
    assert "redis:7-alpine" == SERVICES["redis"]["image"]
    others = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert not {image for image in others if ":" not in image or image.endswith(":latest")}


@pytest.mark.parametrize("name", ["app", "worker", "migrate"])
def test_every_setting_is_one_that_is_read(name: str) -> None:
    """A variable that was renamed, or misspelt, would be ignored in silence; here it is not."""
    given = {variable.removesuffix("_FILE") for variable in SERVICES[name]["environment"]}
    assert set() == given - KNOWN


def test_secrets_are_files() -> None:
    """No variable of any service holds a secret, though some name the file that does."""
    secret = ("PASSWORD", "SECRET", "PEPPER", "DATABASE_URL", "CLIENT_ID")
    given = {
        variable: str(value)
        for service in SERVICES.values()
        for variable, value in service.get("environment", {}).items()
        if any(word in variable for word in secret) and variable != "PDI_SIM_CLIENT_ID"
    }
    assert given
    assert {"/run/secrets"} == {value.rpartition("/")[0] for value in given.values()}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_may_do_little(name: str) -> None:
    """Root file systems are read-only, all privileges dropped; the one that gives a folder away may do that alone."""
    service = SERVICES[name]
    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert (["CHOWN"] if name == "prepare" else []) == service.get("cap_add", [])
    assert ("0:0" if name == "prepare" else None) == service.get("user")


@pytest.mark.parametrize("name", ["app", "worker"])
def test_nothing_starts_before_what_it_needs(name: str) -> None:
    """The schema is there, and the servers answer, before the first call could come."""
    waits = {needed: how["condition"] for needed, how in SERVICES[name]["depends_on"].items()}
    assert {
        "migrate": "service_completed_successfully",
        "postgres": "service_healthy",
        "redis": "service_healthy",
        "pdi": "service_healthy",
    } == waits


def test_nothing_is_reached_from_another_machine() -> None:
    """Every port is published on the loopback: the simulator's control API, for one, has no lock."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert not [port for port in ports if not port.startswith("127.0.0.1:")]
