"""The Dockerfiles as far as they can be judged without a daemon.

Building them is not tested here: that needs an image of Python, which no package index holds.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts.check_chart import CHART, ROOT

FILES = sorted((ROOT / "deploy" / "docker").glob("*.Dockerfile"))
each_file = pytest.mark.parametrize("dockerfile", FILES, ids=lambda path: path.name)


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest


def is_in_the_context(path: str) -> bool:
    """Whether .dockerignore lets a path through; its last matching line decides."""
    allowed = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").replace("**/", "*")
            if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
                allowed = line.startswith("!")
    return allowed


@each_file
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    program = shutil.which("hadolint")
    assert program, "hadolint is part of the dev extra: run `make setup`"
    done = subprocess.run([program, "--no-color", dockerfile], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@each_file
def test_everything_copied_exists_and_is_sent(dockerfile: Path) -> None:
    for name, rest in instructions(dockerfile):
        if name == "COPY" and "--from" not in rest:
            *sources, _ = shlex.split(rest)
            for source in sources:
                assert (ROOT / source).exists(), f"COPY {source}"
                assert is_in_the_context(source), f".dockerignore keeps {source} out"


def test_nothing_private_is_sent() -> None:
    for path in (".git", ".venv", "var", "build", "tests", "shared", "web/static/vendor"):
        assert not is_in_the_context(path), path


@each_file
def test_it_runs_as_the_user_whom_the_chart_names(dockerfile: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    part = values["portal" if "portal" in dockerfile.name else "agent"]
    users = [rest for name, rest in instructions(dockerfile) if name == "USER"]
    assert users == [f"{part['userId']}:{part['userId']}"]


@each_file
def test_it_says_whether_it_is_healthy_or_why_not(dockerfile: Path) -> None:
    assert any(name == "HEALTHCHECK" for name, _ in instructions(dockerfile))


@each_file
def test_it_installs_an_extra_that_exists_at_pinned_versions(dockerfile: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installs = [rest for name, rest in instructions(dockerfile) if name == "RUN"]
    (line,) = (rest for rest in installs if "--editable" in rest)
    (extra,) = re.findall(r"\.\[(\w+)\]", line)
    assert extra in extras["optional-dependencies"]
    assert "--constraint constraints.txt" in line


def test_the_chart_and_the_images_run_the_same_commands() -> None:
    web = (CHART / "templates/web/deployment.yaml").read_text()
    for word in ("uvicorn", "web.config.asgi:application", "--timeout-graceful-shutdown"):
        assert word in web
        assert word in (ROOT / "deploy/docker/portal.Dockerfile").read_text()
    assert 'CMD ["python", "-m", "gpu_agent"]' in FILES[0].read_text()
    agent = (CHART / "templates/agent/statefulset.yaml").read_text()
    assert "command: [python, -m, gpu_agent]" in agent
