import re
from typing import Any, Final

import pytest

from loyalty_adapters.observability import SHARED_METRICS
from loyalty_web.service_settings import LogSettings
from loyalty_web.settings import variables
from loyalty_web.web_settings import WebSettings
from tests.deploy.files import DOCKER, K8S, document, documents, manifest, settings_of

WEB: Final = manifest("base/web.yaml", "Deployment", "loyalty-service")["spec"]["template"]["spec"]
WORKER: Final = manifest("base/worker.yaml", "Deployment", "loyalty-worker")["spec"]["template"]["spec"]
MIGRATE: Final = manifest("base/migrate.yaml", "Job", "loyalty-migrate")["spec"]["template"]["spec"]
PODS: Final = {"web": WEB, "worker": WORKER, "migrate": MIGRATE}
ENVIRONMENTS: Final = ("base/config.env", "overlays/dev/config.env", "overlays/production/config.env")
KNOWN: Final = {row.name for row in variables()} | {SHARED_METRICS}
REQUIRED: Final = {row.name for row in variables() if row.required}


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_probes_and_resources_are_those_of_the_contract() -> None:
    """The numbers of the published manifest, in the web container of that name."""
    (web,) = WEB["containers"]
    live, ready = web["livenessProbe"], web["readinessProbe"]
    assert "loyalty-service" == web["name"]
    assert ({"path": "/health/live", "port": 3000}, 40, 30) == (
        live["httpGet"],
        live["initialDelaySeconds"],
        live["periodSeconds"],
    )
    assert ({"path": "/health/ready", "port": 3000}, 20, 10) == (
        ready["httpGet"],
        ready["initialDelaySeconds"],
        ready["periodSeconds"],
    )
    assert {"cpu": "500m", "memory": "512Mi"} == web["resources"]["requests"]
    assert {"cpu": "2000m", "memory": "2Gi"} == web["resources"]["limits"]


def test_a_pod_is_given_the_time_it_takes_to_end() -> None:
    """What passes before SIGTERM and after it is over before the pod would be killed; so in the compose file."""
    config = settings_of("base/config.env")
    shutdown, drain = int(config["SHUTDOWN_SECONDS"]), int(config["DRAIN_SECONDS"])
    (web,) = WEB["containers"]
    slept = int(web["lifecycle"]["preStop"]["exec"]["command"][1])
    assert WebSettings().shutdown_seconds == shutdown
    assert 0 == drain, "it would wait twice for the same"
    graces = {WEB["terminationGracePeriodSeconds"], WORKER["terminationGracePeriodSeconds"]}
    services = document(DOCKER / "compose.yaml")["services"]
    graces |= {int(services[name]["stop_grace_period"].rstrip("s")) for name in ("app", "worker")}
    assert min(graces) >= slept + shutdown + 5


@pytest.mark.parametrize("name", PODS)
def test_pods_are_restricted(name: str) -> None:
    """What Kubernetes' `restricted` level asks for, and a root file system that nobody can write."""
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert 1001 == pod["securityContext"]["runAsUser"]
    assert {"type": "RuntimeDefault"} == pod["securityContext"]["seccompProfile"]
    assert pod["automountServiceAccountToken"] is False
    for container in _containers(pod):
        context = container["securityContext"]
        assert (False, True) == (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"])
        assert {"drop": ["ALL"]} == context["capabilities"]
        assert container["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("path", ENVIRONMENTS)
def test_every_setting_is_one_that_is_read(path: str) -> None:
    """A variable that was renamed, or misspelt, would be ignored in silence; here it is not."""
    assert set() == {name.removesuffix("_FILE") for name in settings_of(path)} - KNOWN


@pytest.mark.parametrize("name", PODS)
def test_every_variable_of_a_container_is_one_that_is_read(name: str) -> None:
    """The same for what stands beside a container."""
    given = {entry["name"] for container in _containers(PODS[name]) for entry in container.get("env", [])}
    assert set() == {variable.removesuffix("_FILE") for variable in given} - KNOWN


def test_everything_required_is_given() -> None:
    """With the base's settings and the keys of the Secret, the service starts: nothing it requires is left out."""
    given = settings_of("base/config.env")
    assert set() == REQUIRED - {name.removesuffix("_FILE") for name in given}
    assert {"/run/secrets/loyalty"} == {
        value.rpartition("/")[0] for name, value in given.items() if name.endswith("_FILE")
    }


def test_no_secret_is_kept_here() -> None:
    """Base and production refer to `loyalty-secrets` by name and do not make it."""
    for folder in ("base", "components", "overlays/production"):
        for path in (K8S / folder).rglob("*.yaml"):
            assert "Secret" not in {it["kind"] for it in documents(path)}
            assert "secretGenerator" not in path.read_text(encoding="utf-8")
    for pod in PODS.values():
        assert ["loyalty-secrets"] == [it["secret"]["secretName"] for it in pod["volumes"] if "secret" in it]


def test_production_hides_customers_and_metrics() -> None:
    """Customer ids are hashed in its logs, and its metrics are not on the port that tills reach."""
    production = settings_of("overlays/production/config.env")
    assert "hash" == production["LOG_CUSTOMER_ID"] != LogSettings().customer_id
    assert "9464" == production["METRICS_PORT"]


def test_connections_stay_below_what_the_readme_asks_of_postgresql() -> None:
    """Replicas at their most, one more while they roll, their processes, and the workers."""
    config = settings_of("base/config.env")
    of_a_process = int(config["DATABASE_CONNECTIONS"]) + int(config["DATABASE_OUTCOME_CONNECTIONS"])
    most = manifest("base/scaling.yaml", "HorizontalPodAutoscaler", "loyalty-service")["spec"]["maxReplicas"]
    workers = manifest("base/worker.yaml", "Deployment", "loyalty-worker")["spec"]["replicas"]
    needed = ((most + 1) * int(config["WEB_WORKERS"]) + workers + 1) * of_a_process
    told = re.search(r"max_connections` of at least (\d+)", (K8S / "README.md").read_text(encoding="utf-8"))
    assert told is not None
    assert needed <= int(told[1]) - 10, "ten are for people and backups"
