"""`AgentService`, the only door for agents: protobuf in, actions, protobuf out.

The ORM is synchronous, so each unit of work runs in a pool of our own threads;
through Django's async ORM sixteen calls would queue behind one another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import grpc
import structlog
from django.db import DataError
from google.protobuf.json_format import MessageToDict, ParseDict

from syrinx.agent.v1 import agent_pb2 as pb
from syrinx.agent.v1 import agent_pb2_grpc, specs_pb2
from web.core import storage
from web.core.connections import own_connection
from web.core.problems import Problem
from web.fleet import actions
from web.fleet.models import Agent
from web.fleet.queries import agent_of
from web.jobs import agent_actions as jobs
from web.jobs.agent_actions import Fenced, Holder, ManifestEntry
from web.jobs.models import Job, JobInput, JobObject
from web.jobs.queue import CONSUMER, STREAM

T = TypeVar("T")
SPEAK_SUBJECT = "syrinx.speak"
THREADS = 16
Down = pb.SessionDown
COMMANDS = {
    "ok": Down.HEARTBEAT_OK,
    "cancel": Down.CANCEL,
    "finish_now": Down.FINISH_NOW,
    "checkpoint_now": Down.CHECKPOINT_NOW,
    "fenced": Down.FENCED,
}
# What would be met again when the same message came again.
UNUSABLE = (Problem, DataError, ValueError, LookupError, TypeError)
log = structlog.get_logger(__name__)


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="orm")

    async def _do(self, work: Callable[..., T], *arguments: Any) -> T:
        def unit() -> T:
            with own_connection():
                return work(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._threads, unit)

    async def _agent(self, context: grpc.aio.ServicerContext[Any, Any]) -> Agent:
        metadata = dict(context.invocation_metadata() or ())
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        agent = await self._do(agent_of, token) if scheme.lower() == "bearer" else None
        if agent is None:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "This agent token is unknown or revoked; make a new one on the Fleet page.",
            )
        assert agent is not None
        return agent

    async def Register(
        self, request: pb.RegisterRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RegisterResponse:
        agent = await self._agent(context)
        facts = MessageToDict(
            request,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for device in facts["devices"]:
            device["memory_bytes"] = int(device["memory_bytes"])
        await self._do(lambda: actions.register(agent, **facts))
        log.info("agent registered", agent=agent.name, host=request.host)
        return pb.RegisterResponse(
            agent_id=str(agent.pk),
            agent_name=agent.name,
            heartbeat_seconds=jobs.HEARTBEAT.total_seconds(),
            lease_seconds=jobs.LEASE.total_seconds(),
            stream=STREAM,
            consumer=CONSUMER,
            speak_subject=SPEAK_SUBJECT,
        )

    async def Claim(
        self, request: pb.ClaimRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ClaimResponse:
        agent = await self._agent(context)
        return await self._do(_claim, agent, request.device)

    async def Session(
        self,
        request_iterator: AsyncIterator[pb.SessionUp],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[pb.SessionDown]:
        agent = await self._agent(context)
        async for message in request_iterator:
            try:
                answers = await self._do(_take, agent, message)
            except Fenced:
                answers = [Down(command=Down.FENCED, job=message.job, ack_id=message.ack_id)]
            except UNUSABLE as error:
                # Sending it again would not help, so it is acknowledged and said in the log.
                log.error("refused from an agent", agent=agent.name, detail=_reason(error))
                answers = [Down(command=Down.ACK, job=message.job, ack_id=message.ack_id)]
            except _Revoked:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "This token was revoked.")
            for answer in answers:
                yield answer

    async def CreateDownloads(
        self, request: pb.CreateDownloadsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CreateDownloadsResponse:
        agent = await self._agent(context)

        def sign() -> pb.CreateDownloadsResponse:
            keys = jobs.input_keys(_holder(request.job, agent), list(request.names))
            return pb.CreateDownloadsResponse(
                downloads=[
                    pb.Download(name=name, url=storage.presigned_get(key))
                    for name, key in keys.items()
                ]
            )

        return await self._answer(context, sign, pb.CreateDownloadsResponse(fenced=True))

    async def CreateUploads(
        self, request: pb.CreateUploadsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CreateUploadsResponse:
        agent = await self._agent(context)

        def sign() -> pb.CreateUploadsResponse:
            files = [(file.name, file.size, file.sha256) for file in request.files]
            rows = jobs.create_objects(_holder(request.job, agent), files)
            return pb.CreateUploadsResponse(uploads=[_upload(row) for row in rows])

        return await self._answer(context, sign, pb.CreateUploadsResponse(fenced=True))

    async def Finish(
        self, request: pb.FinishRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.FinishResponse:
        agent = await self._agent(context)
        return await self._answer(
            context, lambda: _finish(agent, request), pb.FinishResponse(fenced=True)
        )

    async def _answer(
        self, context: grpc.aio.ServicerContext[Any, Any], work: Callable[[], T], fenced: T
    ) -> T:
        """What `work` returns; `fenced` where the attempt no longer holds the job."""
        try:
            return await self._do(work)
        except Fenced:
            return fenced
        except UNUSABLE as error:
            # Any other status would make the agent send it again, for ever.
            log.error("refused from an agent", detail=_reason(error), exc_info=error)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, _reason(error))
            raise


class _Revoked(Exception):
    """The token was revoked while its session was open."""


def _reason(error: Exception) -> str:
    if isinstance(error, Problem):
        return error.detail
    return f"The portal can't use what the agent sent ({type(error).__name__}: {error})."


def _holder(job: pb.JobRef, agent: Agent) -> Holder:
    try:
        return Holder(UUID(job.job_id), job.attempt, agent.pk)
    except ValueError:
        raise Fenced from None


def _claim(agent: Agent, device: str) -> pb.ClaimResponse:
    job, others_wait = actions.claim_waiting(agent, device)
    if job is None:
        outcome = pb.ClaimResponse.WAIT if others_wait else pb.ClaimResponse.GONE
        return pb.ClaimResponse(outcome=outcome)
    return pb.ClaimResponse(
        outcome=pb.ClaimResponse.CLAIMED,
        job_id=str(job.pk),
        attempt=job.attempt,
        kind=job.kind,
        spec=ParseDict({job.kind: job.spec}, specs_pb2.JobSpec()),
        inputs=[_input(row) for row in job.inputs.order_by("pk")],
        resume=_resume(job),
        lease_seconds=jobs.LEASE.total_seconds(),
    )


def _input(row: JobInput) -> pb.InputFile:
    return pb.InputFile(name=row.name, size=row.size, sha256=row.sha256)


def _resume(job: Job) -> pb.Resume | None:
    checkpoint = jobs.newest_checkpoint(job)
    if checkpoint is None:
        return None
    file = pb.InputFile(name=jobs.RESUME_NAME, size=checkpoint.size, sha256=checkpoint.sha256)
    return pb.Resume(files=[file], step=checkpoint.step)


def _upload(row: JobObject) -> pb.Upload:
    if row.size <= storage.MULTIPART_BYTES:
        return pb.Upload(name=row.name, url=storage.presigned_put(row.key))
    upload_id = jobs.multipart_of(row)
    parts = -(-row.size // storage.MULTIPART_BYTES)
    return pb.Upload(
        name=row.name,
        part_size=storage.MULTIPART_BYTES,
        part_urls=[storage.presigned_part(row.key, upload_id, n) for n in range(1, parts + 1)],
        complete_url=storage.presigned_complete(row.key, upload_id),
    )


def _take(agent: Agent, message: pb.SessionUp) -> list[pb.SessionDown]:
    """Carry out one message of a session; returns what goes back down."""
    kind = message.WhichOneof("body")
    if kind == "heartbeat":
        return _heartbeat(agent, message.heartbeat)
    holder = _holder(message.job, agent)
    if kind == "stage":
        jobs.report_stage(holder, message.stage.name)
    elif kind == "progress":
        eta = message.progress.eta_seconds
        jobs.report_progress(
            holder, message.progress.fraction, eta if eta >= 0 else None, message.progress.note
        )
    elif kind == "metrics":
        jobs.store_metrics(holder, [(p.step, dict(p.values)) for p in message.metrics.points])
    elif kind == "log":
        lines = [
            (datetime.fromtimestamp(line.at, UTC), line.level, line.text)
            for line in message.log.lines
        ]
        jobs.store_log(holder, lines, message.log.dropped)
    elif kind == "sample":
        sample = message.sample
        jobs.store_sample(
            holder, _entry(sample.object), sample.step, sample.index, sample.text, sample.seconds
        )
    elif kind == "checkpoint":
        made = message.checkpoint
        jobs.store_checkpoint(holder, _entry(made.object), made.step, made.epoch, dict(made.scores))
    if not message.ack_id:
        return []
    return [Down(command=Down.ACK, job=message.job, ack_id=message.ack_id)]


def _heartbeat(agent: Agent, beat: pb.Heartbeat) -> list[pb.SessionDown]:
    if not Agent.objects.filter(pk=agent.pk, revoked__isnull=True).exists():
        raise _Revoked
    telemetry = [MessageToDict(one, preserving_proto_field_name=True) for one in beat.telemetry]
    down = []
    for job in beat.held:
        try:
            command = jobs.renew_lease(_holder(job, agent))
        except Fenced:
            command = "fenced"
        if command != "ok":
            down.append(Down(command=COMMANDS[command], job=job))
    if actions.note_heartbeat(agent, telemetry):
        down.append(Down(command=Down.DRAIN))
    return [*down, Down(command=Down.HEARTBEAT_OK)]


def _entry(stored: pb.ObjectRef) -> ManifestEntry:
    return ManifestEntry(stored.name, stored.role, stored.sha256, stored.size)


def _finish(agent: Agent, request: pb.FinishRequest) -> pb.FinishResponse:
    holder = _holder(request.job, agent)
    if request.outcome == pb.FinishRequest.SUCCEEDED:
        kind = request.result.WhichOneof("kind")
        result = (
            MessageToDict(getattr(request.result, kind), preserving_proto_field_name=True)
            if kind
            else {}
        )
        jobs.finish_succeeded(holder, [_entry(one) for one in request.manifest], result)
    elif request.outcome == pb.FinishRequest.FAILED:
        jobs.finish_failed(holder, request.error_code, request.error_message)
    else:
        jobs.release_job(holder, request.error_message)
    return pb.FinishResponse()
