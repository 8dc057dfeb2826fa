"""What `make chart` checks, as tests: real helm, Kubernetes' own schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_chart

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("values", check_chart.scenarios(), ids=lambda path: path.stem)
def test_a_scenario_renders_valid_manifests(values: Path) -> None:
    check_chart.check_scenario(values)


@pytest.mark.parametrize(("name", "values", "reason"), check_chart.REFUSED)
def test_wrong_values_are_refused_with_the_reason(name: str, values: str, reason: str) -> None:
    assert check_chart.check_refusal(values, reason) == "refused", name


def test_accepted_values_are_not_taken_for_a_refusal() -> None:
    with pytest.raises(check_chart.CheckFailed, match="was accepted"):
        check_chart.check_refusal("web: {replicas: 3}", "replicas")


def test_an_invalid_manifest_is_found() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": [{"port": "eighty"}], "typ": "ClusterIP"},
    }
    (problem,) = check_chart.invalid([service])
    assert problem.startswith("Service/web: ")


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The real pip, pointed at an index that is not there.
    monkeypatch.setattr(check_chart, "BUILD", check_chart.ROOT / "build" / "test-no-helm")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", tmp_path.as_uri())
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(check_chart.CheckFailed, match="helm could not be fetched"):
        check_chart.helm_binary()
