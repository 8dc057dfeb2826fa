"""Settings come from the environment; all that is wrong is said at once, by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from web.config.environment import BadEnvironment, Environment

GOOD = {
    "SYRINX_SECRET_KEY": "x" * 50,
    "SYRINX_PUBLIC_URL": "https://voices.example.org",
    "SYRINX_DATABASE_URL": "postgres://u:p%40ss@db.example.org:5433/syrinx?sslmode=require",
    "SYRINX_NATS_URL": "nats://nats.example.org",
    "SYRINX_S3_ENDPOINT": "http://s3.example.org:9000",
    "SYRINX_S3_ACCESS_KEY": "a",
    "SYRINX_S3_SECRET_KEY": "b",
}


def problems(environment: Environment) -> str:
    with pytest.raises(BadEnvironment) as caught:
        environment.check()
    return str(caught.value)


def settings_of(variables: dict[str, str], expression: str) -> subprocess.CompletedProcess[str]:
    code = f"from web.config import settings as s; print({expression})"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_value_may_come_from_a_mounted_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    environment = Environment({"NAME_FILE": str(secret)})

    assert environment.text("NAME") == "from a file"
    environment.check()


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    environment = Environment(
        {
            "URL": "ftp://x",
            "PORT": "80 80",
            "FLAG": "maybe",
            "BOTH": "a",
            "BOTH_FILE": "b",
            "GONE_FILE": str(tmp_path / "gone"),
            "EMPTY_FILE": str(empty),
            "BINARY_FILE": sys.executable,
        }
    )
    environment.url("URL", ("http", "https"))
    environment.number("PORT", 1)
    environment.flag("FLAG", False)
    for name in ("BOTH", "GONE", "EMPTY", "BINARY", "MISSING"):
        environment.text(name)

    said = problems(environment)

    for name in (
        "URL",
        "PORT",
        "FLAG",
        "BOTH",
        "GONE_FILE",
        "EMPTY_FILE",
        "BINARY_FILE",
        "MISSING",
    ):
        assert f"\n  {name}: " in said, name
    assert "starting with http:// or https://" in said


@pytest.mark.parametrize(
    "value", ["http://", "http:///x", "http://host:99999", "http://ho st", "host"]
)
def test_a_url_that_is_none_is_refused(value: str) -> None:
    environment = Environment({"URL": value})
    environment.url("URL", ("http",))

    assert "URL: " in problems(environment)


def test_an_empty_value_counts_as_missing() -> None:
    environment = Environment({"NAME": ""})
    environment.text("NAME")

    assert "NAME: is not set" in problems(environment)


def test_a_password_in_a_url_is_not_said() -> None:
    environment = Environment({"URL": "mysql://user:secret@host/db"})
    environment.url("URL", ("postgres",))

    assert "secret" not in problems(environment)


def test_the_portal_names_every_missing_setting_and_shows_no_trace() -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.returncode == 1
    for name in GOOD:
        assert f"{name}: is not set" in run.stderr
    assert "Traceback" not in run.stderr


def test_behind_https_cookies_are_secure() -> None:
    run = settings_of(
        GOOD, "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0"
    )

    assert run.stdout == "True True True\n", run.stderr


def test_the_database_url_is_decoded_and_its_options_kept() -> None:
    run = settings_of(
        GOOD,
        "[s.DATABASES['default'][k] for k in ('HOST', 'PORT', 'NAME', 'USER', 'PASSWORD')],"
        " s.DATABASES['default']['OPTIONS']['sslmode']",
    )

    assert run.stdout == "['db.example.org', 5433, 'syrinx', 'u', 'p@ss'] require\n", run.stderr


def test_a_weak_secret_key_or_an_odd_log_setting_is_refused() -> None:
    run = settings_of({**GOOD, "SYRINX_SECRET_KEY": "short", "SYRINX_LOG": "xml"}, "1")

    assert "SYRINX_SECRET_KEY: " in run.stderr and "SYRINX_LOG: " in run.stderr
