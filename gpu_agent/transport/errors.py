"""What can go wrong between the agent and the portal, in words that `runtime` acts on."""

from __future__ import annotations


class TokenRefused(Exception):
    """The portal does not accept this agent's token (any more): stop everything."""

    def __init__(self, detail: str = "") -> None:
        told = f" It said: {detail}." if detail else ""
        super().__init__(
            "The portal refused this agent's token; it is wrong or was revoked."
            f"{told} Make a new token on the portal's agents page and set SYRINX_AGENT_TOKEN."
        )


class PortalUnavailable(Exception):
    """No answer just now; the same call may succeed later."""


class PortalRefused(Exception):
    """The portal understood the call and said no; repeating it changes nothing."""


class Fenced(Exception):
    """This attempt is no longer the running one: kill the trainer, write nothing more."""


class NatsRefused(Exception):
    """NATS closed the connection for good, which only a refused sign-in does."""


class StorageRefused(Exception):
    """Storage did not do what one request asked; another try, with a new URL, may pass."""


class TransferFailed(Exception):
    """A file could not be moved, whatever was tried. The host gives the job back."""


class SourceMissing(TransferFailed):
    """The object is not in storage (any more)."""


class SourceCorrupt(TransferFailed):
    """What storage holds is not the object that the portal described."""
