"""`python -m gpu_agent`: the agent of one GPU host."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys

from gpu_agent.runtime import logs
from gpu_agent.runtime.agent import Agent
from gpu_agent.runtime.devices import DeviceMissing
from gpu_agent.runtime.workspace import WorkDirBusy
from gpu_agent.settings import Settings, SettingsError, load_settings
from gpu_agent.transport.errors import NatsRefused, TokenRefused

PR_SET_DUMPABLE = 4


def main() -> None:
    """Exits with 0 after a signal, 1 when refused, 2 for settings that can't work."""
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        sys.exit(_complain(error, 2))
    logs.configure(settings.log)
    hide_secrets()
    os.umask(0o077)
    sys.exit(serve(settings))


def serve(settings: Settings) -> int:
    try:
        return asyncio.run(Agent(settings).run())
    except (TokenRefused, NatsRefused) as error:
        return _complain(error, 1)
    except (WorkDirBusy, DeviceMissing) as error:
        return _complain(error, 2)
    except OSError as error:
        if error.filename is None:
            raise
        return _complain(error, 2)


def hide_secrets() -> None:
    """A child runs as the same user: keep it from reading this process's first environment."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _complain(error: Exception, status: int) -> int:
    sys.stderr.write(f"{error}\n")
    return status


if __name__ == "__main__":
    main()
