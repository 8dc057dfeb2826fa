"""An upgrade keeps what the first installation generated.

helm asks the cluster for the Secrets that it holds. There is no cluster here, so a
small server answers those questions in the Kubernetes API's words; helm is the real one.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.check_chart import CHART, RELEASE, render

pytestmark = pytest.mark.slow

Secrets = dict[str, dict[str, str]]
NAMES = (f"{RELEASE}-syrinx", f"{RELEASE}-syrinx-grpc-tls")
KINDS = {
    "/api/v1": ["ConfigMap", "Secret", "Service", "ServiceAccount"],
    "/apis/apps/v1": ["Deployment", "StatefulSet"],
    "/apis/batch/v1": ["Job"],
    "/apis/networking.k8s.io/v1": ["NetworkPolicy"],
    "/apis/policy/v1": ["PodDisruptionBudget"],
}


# Without these helm would not touch an object that it finds.
OWNED = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {
        "meta.helm.sh/release-name": RELEASE,
        "meta.helm.sh/release-namespace": "speech",
    },
}


def discovery() -> dict[str, dict[str, Any]]:
    """What the API server answers when it is asked which kinds it knows."""
    groups = []
    answers: dict[str, dict[str, Any]] = {
        "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
    }
    for path, kinds in KINDS.items():
        version = path.removeprefix("/apis/").removeprefix("/api/")
        resources = [
            {"name": plural(kind), "namespaced": True, "kind": kind, "verbs": ["get", "list"]}
            for kind in kinds
        ]
        answers[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        if "/" in version:
            preferred = {"groupVersion": version, "version": "v1"}
            groups.append({"name": version.split("/")[0], "versions": [preferred]})
    answers["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    return answers


def plural(kind: str) -> str:
    return re.sub("ys$", "ies", f"{kind.lower()}s")


ANSWERS = discovery()


class ClusterHandler(BaseHTTPRequestHandler):
    secrets: Secrets

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name = path.rsplit("/", 1)[1]
        answer = ANSWERS.get(path)
        if "/secrets/" in path and name in self.secrets:
            metadata = OWNED | {"name": name, "namespace": "speech"}
            answer = {"kind": "Secret", "apiVersion": "v1", "metadata": metadata}
            answer["data"] = self.secrets[name]
        status = 404 if answer is None else 200
        body = json.dumps(answer or {"kind": "Status", "reason": "NotFound", "code": 404}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Path, Secrets]]:
    """A kubeconfig, and the Secrets that its cluster holds, base64 by key."""
    secrets: Secrets = {}
    handler = type("Handler", (ClusterHandler,), {"secrets": secrets})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = tmp_path / "kubeconfig"
    address = {"server": f"http://127.0.0.1:{server.server_port}"}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": address}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "users": [{"name": "me", "user": {}}],
            }
        )
    )
    yield kubeconfig, secrets
    server.shutdown()
    server.server_close()


def generated(kubeconfig: Path, *options: str) -> Secrets:
    """What the chart would put into its Secrets, base64 by key."""
    base = CHART / "ci" / "minimal-values.yaml"
    to_cluster = ("--dry-run=server", "--disable-openapi-validation")
    to_cluster += ("--kubeconfig", str(kubeconfig))
    found: Secrets = {}
    for manifest in render("--values", base, *to_cluster, *options):
        if manifest["kind"] == "Secret":
            texts = manifest.get("stringData", {})
            data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
            found[manifest["metadata"]["name"]] = data | manifest.get("data", {})
    return found


def test_each_installation_has_secrets_of_its_own(cluster: tuple[Path, Secrets]) -> None:
    kubeconfig, _ = cluster
    first, second = generated(kubeconfig), generated(kubeconfig)
    assert set(first) == set(second) == set(NAMES)
    for name in NAMES:
        assert first[name] != second[name]


def test_an_upgrade_keeps_every_secret(cluster: tuple[Path, Secrets]) -> None:
    kubeconfig, secrets = cluster
    first = generated(kubeconfig)
    secrets.update(first)
    assert generated(kubeconfig, "--set", "portal.image.tag=0.2.0") == first


def test_another_mode_and_back_keeps_the_passwords(cluster: tuple[Path, Secrets]) -> None:
    kubeconfig, secrets = cluster
    first = generated(kubeconfig)
    secrets.update(first)
    external = ("--set", "postgres.mode=external,postgres.external.url=postgres://u:p@h/d")
    away = generated(kubeconfig, *external)
    assert away[NAMES[0]]["database-url"] != first[NAMES[0]]["database-url"]
    secrets.update(away)
    assert generated(kubeconfig) == first


def test_another_name_gets_a_certificate_of_the_same_authority(
    cluster: tuple[Path, Secrets], tmp_path: Path
) -> None:
    kubeconfig, secrets = cluster
    secrets.update(generated(kubeconfig))
    before = secrets[NAMES[1]]
    after = generated(kubeconfig, "--set", "grpc.tls.extraNames={grpc.example.org}")[NAMES[1]]
    assert after["ca.crt"] == before["ca.crt"]
    assert after["tls.crt"] != before["tls.crt"]
    for key in ("tls.crt", "tls.key"):
        (tmp_path / key).write_bytes(base64.b64decode(after[key]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
