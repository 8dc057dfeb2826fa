"""What the rendered manifests promise, over every scenario."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from scripts.check_chart import CHART, RELEASE, ROOT, render, scenarios

pytestmark = pytest.mark.slow

Manifest = dict[str, Any]
SCENARIOS = [path.stem.removesuffix("-values") for path in scenarios()]
every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)


@cache
def manifests(scenario: str) -> list[Manifest]:
    return render("--values", CHART / "ci" / f"{scenario}-values.yaml")


def of_kind(scenario: str, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests(scenario) if manifest["kind"] in kinds]


def pods(scenario: str) -> Iterator[tuple[Manifest, Manifest]]:
    """Each workload with the pod that it makes."""
    for manifest in of_kind(scenario, "Deployment", "StatefulSet", "Job"):
        yield manifest, manifest["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def component(manifest: Manifest) -> str:
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def mounted_secrets(pod: Manifest) -> Iterator[tuple[str, str]]:
    """(Secret, key) of everything that the pod can read."""
    for volume in pod["spec"]["volumes"]:
        sources = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
        if "secret" in volume:
            sources.append(volume["secret"] | {"name": volume["secret"]["secretName"]})
        for source in sources:
            for item in source.get("items", [{"key": "*"}]):
                yield source["name"], item["key"]
    for container in containers(pod):
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]


@every_scenario
def test_no_pod_is_root_or_can_write_to_its_image(scenario: str) -> None:
    for _, pod in pods(scenario):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}


@every_scenario
def test_every_container_says_what_it_needs(scenario: str) -> None:
    for _, pod in pods(scenario):
        for container in containers(pod):
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


@every_scenario
def test_every_mount_has_its_volume(scenario: str) -> None:
    for workload, pod in pods(scenario):
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in claims}
        mounts = {m["name"] for c in containers(pod) for m in c["volumeMounts"]}
        assert mounts == volumes, workload["metadata"]["name"]


@every_scenario
def test_what_pods_read_from_the_chart_s_secrets_is_in_them(scenario: str) -> None:
    made = {
        secret["metadata"]["name"]: {*secret.get("data", {}), *secret.get("stringData", {})}
        for secret in of_kind(scenario, "Secret")
    }
    for workload, pod in pods(scenario):
        for name, key in mounted_secrets(pod):
            if name in made:
                assert key in made[name], f"{workload['metadata']['name']} reads {name}/{key}"


@every_scenario
def test_an_agent_reads_no_secret_of_the_portal(scenario: str) -> None:
    """DESIGN §1, rule 4: no database, no storage credentials."""
    for workload, pod in pods(scenario):
        if component(workload) == "agent":
            keys = {key for name, key in mounted_secrets(pod) if not name.endswith("tokens")}
            assert keys <= {"nats-agent-url", "agent-url", "url", "agent.creds", "ca.crt"}
            names = {variable["name"] for c in containers(pod) for variable in c["env"]}
            assert not any("DATABASE" in name or "S3" in name for name in names)


@every_scenario
def test_services_and_policies_choose_pods_that_exist(scenario: str) -> None:
    labels = [pod["metadata"]["labels"].items() for _, pod in pods(scenario)]
    # Agents may be added later; their traffic is foreseen from the start.
    for manifest in of_kind(scenario, "Service", "NetworkPolicy", "PodDisruptionBudget"):
        spec = manifest["spec"]
        chosen = spec.get("podSelector", spec.get("selector"))
        chosen = chosen.get("matchLabels", chosen)
        assert any(chosen.items() <= pod for pod in labels), manifest["metadata"]["name"]


@every_scenario
def test_names_are_unique_and_short_enough(scenario: str) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in manifests(scenario)]
    assert len(names) == len(set(names))
    # 52: a StatefulSet's pods carry a revision's hash in a label of at most 63 characters.
    assert max(len(name) for _, name in names) <= 52


@every_scenario
def test_policies_leave_no_pod_out(scenario: str) -> None:
    chosen = {component(policy) for policy in of_kind(scenario, "NetworkPolicy")}
    parts = {component(workload) for workload, _ in pods(scenario)}
    assert chosen == (set() if scenario == "no-policies" else parts)


@every_scenario
def test_portal_processes_wait_for_the_schema(scenario: str) -> None:
    for workload, pod in pods(scenario):
        if component(workload) in {"web", "grpc", "relay"}:
            (wait,) = pod["spec"]["initContainers"]
            assert "migrate --check" in wait["args"][0]


@every_scenario
def test_nothing_is_a_hook(scenario: str) -> None:
    """A hook would run before the bundled Postgres, or never under `--wait`."""
    for manifest in manifests(scenario):
        assert "helm.sh/hook" not in manifest["metadata"].get("annotations", {})


def test_external_servers_are_not_bundled_too() -> None:
    for scenario in ("external-urls", "external-secrets"):
        parts = {component(manifest) for manifest in manifests(scenario)}
        assert not parts & {"postgres", "nats", "minio"}


def test_a_trainer_has_time_to_save_and_a_token_of_its_own() -> None:
    sets = {m["metadata"]["name"]: m["spec"] for m in of_kind("bundled-gpu", "StatefulSet")}
    a100 = sets[f"{RELEASE}-syrinx-agent-a100"]["template"]["spec"]
    assert a100["terminationGracePeriodSeconds"] >= 60
    assert a100["runtimeClassName"] == "nvidia"
    (agent,) = a100["containers"]
    assert agent["resources"]["limits"]["nvidia.com/gpu"] == 1
    variables = {variable["name"]: variable.get("value") for variable in agent["env"]}
    assert variables["SYRINX_AGENT_TOKEN_FILE"] == "/run/secrets/agent/token-$(POD_INDEX)"
    shm = next(volume for volume in a100["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"]["medium"] == "Memory"
    cpu = sets[f"{RELEASE}-syrinx-agent-cpu"]["template"]["spec"]["containers"][0]
    assert set(cpu["resources"]["limits"]) == {"memory"}


def test_live_events_pass_the_ingress_unbuffered() -> None:
    (ingress,) = (m for m in of_kind("bundled-gpu", "Ingress") if component(m) == "web")
    notes = ingress["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert notes["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"
    assert ingress["spec"]["rules"][0]["host"] == "voices.example.org"


def test_the_migrations_job_changes_its_name_with_its_pod() -> None:
    base = CHART / "ci" / "minimal-values.yaml"

    def job(*options: str) -> str:
        found = [m for m in render("--values", base, *options) if m["kind"] == "Job"]
        return str(found[0]["metadata"]["name"])

    assert job() == job("--set", "web.replicas=5")
    assert job() != job("--set", "portal.image.tag=0.2.0")


def test_every_command_of_the_portal_exists() -> None:
    apps = [path.stem for path in ROOT.glob("web/*/management/commands/[a-z]*.py")]
    commands = {*apps, "migrate", "check"}
    for _, pod in pods("minimal"):
        for container in containers(pod):
            text = " ".join([*container.get("command", []), *container.get("args", [])])
            for command in re.findall(r"manage\.py (\w+)", text):
                assert command in commands
