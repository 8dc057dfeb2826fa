"""The one directory in which an embedded stack keeps everything.

```
DIR/syrinx.json        marks the folder as ours; the version of its layout
    lock               held while a supervisor runs
    ports.json         the ports of the inner servers
    credentials.json   0600: url, username, password, token of the first user
    env                0600: the settings, for other `manage.py` commands
    secrets/           0700: generated passwords and the agents' tokens
    postgres/ nats/ s3/ agents/<n>/ logs/
```
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import TextIO

from web.core.embedded import CannotStart
from web.core.embedded.secret_files import SecretFiles, write_private

LAYOUT = 1
MINIMUM_BYTES = 500 * 10**6
ADVISED_BYTES = 5 * 10**9


class DataFolder:
    """A folder that is ours, and that no other supervisor uses while this object lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        claim(path)
        self._lock = lock(path)
        self.secrets = SecretFiles(path / "secrets")

    @property
    def logs(self) -> Path:
        folder = self.path / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @property
    def ports_file(self) -> Path:
        return self.path / "ports.json"

    @property
    def credentials(self) -> Path:
        return self.path / "credentials.json"

    @property
    def first_start_done(self) -> Path:
        return self.secrets.folder / "first-start-done"

    @property
    def env(self) -> Path:
        return self.path / "env"

    def agent_folder(self, number: int) -> Path:
        folder = self.path / "agents" / str(number)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def agent_token(self, number: int) -> Path:
        return self.secrets.folder / f"agent-{number}.token"

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def release(self) -> None:
        self._lock.close()


def claim(path: Path) -> None:
    """Makes the folder, or makes sure that an earlier start of ours made it."""
    mark = path / "syrinx.json"
    try:
        # As root, Postgres may have to run as another user, and must find its way through here.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        if not mark.exists():
            if any(each.name != "lost+found" for each in path.iterdir()):
                raise CannotStart(
                    f"{path} holds other files and was not made by Syrinx. "
                    f"Choose an empty or a new folder with --data."
                )
            check_space(path)
            write_private(mark, json.dumps({"layout": LAYOUT}) + "\n")
            return
        check_layout(path, json.loads(mark.read_text(encoding="utf-8")).get("layout"))
        if not os.access(path, os.W_OK | os.X_OK) or path.stat().st_uid != os.geteuid():
            raise CannotStart(
                f"{path} belongs to another user: Syrinx was started on it as that one. "
                f"Start it as the same user again, or choose another folder with --data."
            )
    except (FileExistsError, NotADirectoryError):
        raise CannotStart(f"{path} is not a folder. Choose another with --data.") from None
    except PermissionError as error:
        raise CannotStart(
            f"You may not write to {error.filename}. Choose another folder with --data."
        ) from None
    except ValueError:
        raise CannotStart(
            f"{mark} is damaged. If {path} is a folder of Syrinx, write "
            f'{{"layout": {LAYOUT}}} into that file; otherwise choose another with --data.'
        ) from None
    check_space(path)


def check_layout(path: Path, found: object) -> None:
    if found != LAYOUT:
        raise CannotStart(
            f"{path} was made by another version of Syrinx (layout {found}; this one knows "
            f"{LAYOUT}). Start it with that version, or choose another folder with --data."
        )


def check_space(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < MINIMUM_BYTES:
        raise CannotStart(
            f"Only {free / 10**6:.0f} MB are free on the disk of {path}, and Syrinx needs at "
            f"least {MINIMUM_BYTES / 10**6:.0f} MB to start. Free some space, or choose another "
            f"folder with --data."
        )


def lock(path: Path) -> TextIO:
    """The kernel gives the lock back when the holder ends, however it ends."""
    file = (path / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise CannotStart(
            f"Syrinx is running on {path} already (process {holder}). "
            f"Stop that one first, or choose another folder with --data."
        ) from None
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
