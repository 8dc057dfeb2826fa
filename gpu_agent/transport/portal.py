"""The agent's calls to the portal: `AgentService` over one gRPC channel.

Every call carries the token in the metadata entry `authorization`, has a
deadline, and is repeated with backoff where the portal did not answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
import structlog

from gpu_agent.settings import GrpcTarget
from gpu_agent.transport import wire
from gpu_agent.transport.backoff import Backoff
from gpu_agent.transport.errors import Fenced, PortalRefused, PortalUnavailable, TokenRefused
from gpu_agent.transport.messages import (
    ClaimAnswer,
    ClaimedJob,
    Ending,
    HostInfo,
    JobKey,
    Registration,
    RemoteFile,
    UploadTicket,
)
from syrinx.agent.v1 import agent_pb2 as pb
from syrinx.agent.v1 import agent_pb2_grpc as pb_grpc

log = structlog.get_logger(__name__)

CALL_SECONDS = 15.0
# A long answer names hundreds of presigned URLs of about 500 bytes each; a
# manifest of 30,000 clips is 5 MB. gRPC's own limit is 4 MB.
MESSAGE_BYTES = 64 * 1024 * 1024

SessionCall = grpc.aio.StreamStreamCall[pb.SessionUp, pb.SessionDown]

_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}


def open_channel(target: GrpcTarget) -> grpc.aio.Channel:
    options: list[tuple[str, Any]] = [
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # The default waits up to two minutes after the portal is back.
        ("grpc.initial_reconnect_backoff_ms", 250),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", 5_000),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.lb_policy_name", "round_robin"),
        ("grpc.enable_http_proxy", 0 if target.is_loopback else 1),
    ]
    if target.tls:
        return grpc.aio.secure_channel(target.address, grpc.ssl_channel_credentials(), options)
    return grpc.aio.insecure_channel(target.address, options)


def translate(error: grpc.aio.AioRpcError) -> Exception:
    """What a failed call means to this agent."""
    detail = error.details() or error.code().name
    if error.code() == grpc.StatusCode.UNAUTHENTICATED:
        return TokenRefused(error.details() or "")
    if error.code() in _TRANSIENT:
        return PortalUnavailable(detail)
    return PortalRefused(f"{error.code().name}: {detail}")


class Portal:
    """Raises `TokenRefused`, `PortalRefused`, `PortalUnavailable` and `Fenced`."""

    def __init__(self, target: GrpcTarget, token: str) -> None:
        self._channel = open_channel(target)
        self._stub: pb_grpc.AgentServiceAsyncStub = pb_grpc.AgentServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def close(self) -> None:
        await self._channel.close()

    async def register(self, host: HostInfo) -> Registration:
        request = wire.register_request(host)
        return wire.registration(await self._once(self._stub.Register, request))

    async def claim(self, job_id: str, device: str) -> ClaimedJob | ClaimAnswer:
        """Not repeated: a lost answer may have been a claim, whose lease then runs out."""
        request = pb.ClaimRequest(job_id=job_id, device=device)
        try:
            return wire.claim_answer(await self._once(self._stub.Claim, request))
        except ValueError as error:
            raise PortalRefused(str(error)) from error

    def open_session(self) -> SessionCall:
        """No deadline: on a stream it would cover the stream's whole life."""
        return self._stub.Session(metadata=self._metadata)

    async def create_downloads(self, key: JobKey, names: Sequence[str]) -> dict[str, str]:
        """URLs by name."""
        request = pb.CreateDownloadsRequest(job=wire.job_ref(key), names=names)
        answer = await self._repeated(self._stub.CreateDownloads, request)
        if answer.fenced:
            raise Fenced(str(key))
        return {download.name: download.url for download in answer.downloads}

    async def create_uploads(
        self, key: JobKey, files: Sequence[RemoteFile]
    ) -> dict[str, UploadTicket]:
        """Tickets by name."""
        request = pb.CreateUploadsRequest(
            job=wire.job_ref(key),
            files=[
                pb.UploadFile(name=file.name, size=file.size, sha256=file.sha256) for file in files
            ],
        )
        answer = await self._repeated(self._stub.CreateUploads, request)
        if answer.fenced:
            raise Fenced(str(key))
        return {upload.name: wire.upload_ticket(upload) for upload in answer.uploads}

    async def finish(self, key: JobKey, ending: Ending) -> None:
        """Repeated until the portal answers; it is idempotent there."""
        answer = await self._repeated(self._stub.Finish, wire.finish_request(key, ending))
        if answer.fenced:
            raise Fenced(str(key))

    async def _once(self, call: Callable[..., Awaitable[Any]], request: Any) -> Any:
        try:
            return await call(request, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise translate(error) from error

    async def _repeated(self, call: Callable[..., Awaitable[Any]], request: Any) -> Any:
        """For ever: the job is lost only when the portal says so, never by silence."""
        backoff = Backoff()
        while True:
            try:
                return await self._once(call, request)
            except PortalUnavailable as error:
                log.warning(
                    "the portal did not answer; trying again",
                    call=type(request).__name__.removesuffix("Request"),
                    error=str(error),
                )
            await backoff.wait()
