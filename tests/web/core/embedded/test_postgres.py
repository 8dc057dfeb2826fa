"""Postgres starts as whoever we are, with a password, and takes over what a crash left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from web.core.embedded import CannotStart
from web.core.embedded.console import Console
from web.core.embedded.ports import Ports
from web.core.embedded.postgres import Postgres
from web.core.embedded.process import Process

CONSOLE = Console(out=None)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not `tmp_path`: only its user may enter that, which is not who Postgres runs as."""
    with tempfile.TemporaryDirectory(prefix="syrinx with space ") as name:
        Path(name).chmod(0o711)
        (Path(name) / "postgres").mkdir(mode=0o700)
        yield Path(name)


@pytest.fixture
def postgres(folder: Path) -> Postgres:
    port = Ports(folder / "ports.json").get("postgres")
    return Postgres(folder / "postgres", port, "secret", durable=False)


def owner_of_data(postgres: Postgres) -> int:
    return (postgres.data / "postmaster.pid").stat().st_uid


def start(postgres: Postgres) -> Process:
    postgres.initialise(CONSOLE)
    process = Process(postgres.service(), CONSOLE)
    process.wait_ready()
    return process


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no root to leave")
@pytest.mark.parametrize(("user", "owner"), [("userns", 0), ("setuid", 65534)])
def test_it_runs_as_root_in_either_way(postgres: Postgres, user: str, owner: int) -> None:
    postgres = replace(postgres, user=user)
    try:
        process = start(postgres)
    except CannotStart as error:
        if "does not allow user namespaces" in str(error):
            pytest.skip(str(error))
        raise
    try:
        assert owner_of_data(postgres) == owner
        with psycopg.connect(postgres.url) as connection:
            connection.execute("create table kept (word text)")
            connection.execute("insert into kept values ('here')")
    finally:
        process.stop()
    assert process.exit_code == 0

    process = start(postgres)
    try:
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("select word from kept").fetchone() == ("here",)
    finally:
        process.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs nobody's help")
def test_a_folder_that_postgres_cannot_enter_is_said(postgres: Postgres, folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(CannotStart, match=f"may not enter {folder}"):
        replace(postgres, user="setuid").initialise(CONSOLE)


def test_it_wants_the_password(postgres: Postgres) -> None:
    process = start(postgres)
    try:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(postgres.url.replace("secret", "guess"))
    finally:
        process.stop()


def test_a_pid_file_that_names_another_program_is_no_obstacle(postgres: Postgres) -> None:
    postgres.initialise(CONSOLE)
    # As after a restart of a container, where small numbers come again.
    (postgres.data / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres.data}\n")
    start(postgres).stop()


def test_an_interrupted_initdb_is_begun_anew(postgres: Postgres) -> None:
    (postgres.folder / "making").mkdir()
    (postgres.folder / "making" / "PG_VERSION").write_text("18\n")
    start(postgres).stop()


def test_data_of_another_postgres_is_refused(postgres: Postgres) -> None:
    postgres.data.mkdir()
    (postgres.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(CannotStart, match=r"made by Postgres 14.*pg_dump"):
        postgres.initialise(CONSOLE)
