"""A portal for the agent's tests: a real gRPC server that keeps its books in memory.

It behaves as `agent.proto` says (claims, attempts, fencing, acknowledgements)
and can be told to fall silent, to drop its streams, or to stop and come back.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from syrinx.agent.v1 import agent_pb2 as pb
from syrinx.agent.v1 import agent_pb2_grpc as pb_grpc
from syrinx.agent.v1 import specs_pb2 as specs
from tests.gpu_agent.object_store import ObjectStore

TOKEN = "a-token"
HEARTBEAT_SECONDS = 0.3
LEASE_SECONDS = 1.5
STREAM, CONSUMER, SPEAK = "SYRINX_JOBS", "agents", "syrinx.speak"


@dataclass
class FakeJob:
    """`scenario` is what the tests' child does, see `child_script.py`."""

    id: str
    scenario: str
    inputs: dict[str, bytes] = field(default_factory=dict)
    resume: dict[str, bytes] = field(default_factory=dict)
    state: str = "queued"
    attempt: int = 0
    agents: list[str] = field(default_factory=list)
    claims: int = 0
    waits: int = 0
    """How often a claim is answered WAIT first."""
    stages: list[str] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    dropped: int = 0
    samples: list[pb.Sample] = field(default_factory=list)
    checkpoints: list[pb.Checkpoint] = field(default_factory=list)
    finishes: list[pb.FinishRequest] = field(default_factory=list)
    beats: int = 0
    refusal: str = ""
    """Why a successful end is not accepted."""

    @property
    def ending(self) -> pb.FinishRequest:
        return self.finishes[-1]


class FakePortal(pb_grpc.AgentServiceServicer):
    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.jobs: dict[str, FakeJob] = {}
        self.token = TOKEN
        self.registrations: list[pb.RegisterRequest] = []
        self.heartbeats: list[pb.Heartbeat] = []
        self.acks_withheld = 0
        """So many messages are taken and not acknowledged."""
        self.draining = False
        self.part_size = 0
        """Above zero, uploads go in parts of so many bytes."""
        self.port = 0
        self._streams: list[tuple[grpc.aio.ServicerContext, asyncio.Queue[pb.SessionDown]]] = []
        self._loop = asyncio.new_event_loop()
        self._server: grpc.aio.Server | None = None
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.start()

    # ---- for tests ------------------------------------------------------------

    def start(self) -> None:
        self._do(self._start())

    def stop(self) -> None:
        """Every stream and call breaks."""
        server, self._server = self._server, None
        if server is not None:
            self._do(server.stop(0))

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def add(self, job_id: str, scenario: str, **more: Any) -> FakeJob:
        job = self.jobs[job_id] = FakeJob(job_id, scenario, **more)
        return job

    def send(self, command: pb.SessionDown.Command, job: FakeJob | None = None) -> None:
        ref = pb.JobRef(job_id=job.id, attempt=job.attempt) if job else None
        message = pb.SessionDown(command=command, job=ref)

        def put() -> None:
            for _, queue in self._streams:
                queue.put_nowait(message)

        self._loop.call_soon_threadsafe(put)

    def drop_streams(self) -> None:
        async def drop() -> None:
            for _, queue in self._streams:
                queue.put_nowait(pb.SessionDown())  # the end, see `Session`

        self._do(drop())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        self._server = grpc.aio.server()
        pb_grpc.add_AgentServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    # ---- AgentService -----------------------------------------------------------

    async def _check(self, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        if metadata.get("authorization") != f"Bearer {self.token}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown token")

    async def Register(self, request: pb.RegisterRequest, context: Any) -> pb.RegisterResponse:
        await self._check(context)
        self.registrations.append(request)
        return pb.RegisterResponse(
            agent_id="11111111-2222-3333-4444-555555555555",
            agent_name="tester",
            heartbeat_seconds=HEARTBEAT_SECONDS,
            lease_seconds=LEASE_SECONDS,
            stream=STREAM,
            consumer=CONSUMER,
            speak_subject=SPEAK,
        )

    async def Claim(self, request: pb.ClaimRequest, context: Any) -> pb.ClaimResponse:
        await self._check(context)
        job = self.jobs.get(request.job_id)
        if job is None:
            return pb.ClaimResponse(outcome=pb.ClaimResponse.GONE)
        job.claims += 1
        if job.state != "queued":
            return pb.ClaimResponse(outcome=pb.ClaimResponse.GONE)
        if job.waits > 0:
            job.waits -= 1
            return pb.ClaimResponse(outcome=pb.ClaimResponse.WAIT)
        job.state = "running"
        job.attempt += 1
        job.agents.append(request.device)
        return pb.ClaimResponse(
            outcome=pb.ClaimResponse.CLAIMED,
            job_id=job.id,
            attempt=job.attempt,
            kind="import_base",
            spec=specs.JobSpec(import_base=specs.ImportBaseSpec(source=job.scenario)),
            inputs=_described(job.inputs),
            resume=pb.Resume(files=_described(job.resume), step=7),
            lease_seconds=LEASE_SECONDS,
        )

    def _held(self, ref: pb.JobRef) -> FakeJob | None:
        job = self.jobs.get(ref.job_id)
        return job if job and job.state == "running" and job.attempt == ref.attempt else None

    async def Session(
        self, messages: AsyncIterator[pb.SessionUp], context: Any
    ) -> AsyncIterator[pb.SessionDown]:
        await self._check(context)
        down: asyncio.Queue[pb.SessionDown] = asyncio.Queue()
        entry = (context, down)
        self._streams.append(entry)
        reading = asyncio.create_task(self._read(messages, down))
        try:
            while True:
                message = await down.get()
                if message.command == pb.SessionDown.COMMAND_UNSPECIFIED:
                    return
                yield message
        finally:
            reading.cancel()
            self._streams.remove(entry)

    async def _read(
        self, messages: AsyncIterator[pb.SessionUp], down: asyncio.Queue[pb.SessionDown]
    ) -> None:
        async for message in messages:
            for answer in self._answers(message):
                down.put_nowait(answer)

    def _answers(self, message: pb.SessionUp) -> list[pb.SessionDown]:
        if message.WhichOneof("body") == "heartbeat":
            self.heartbeats.append(message.heartbeat)
            answers = [pb.SessionDown(command=pb.SessionDown.HEARTBEAT_OK)]
            for ref in message.heartbeat.held:
                job = self._held(ref)
                if job is None:
                    answers.append(pb.SessionDown(command=pb.SessionDown.FENCED, job=ref))
                else:
                    job.beats += 1
            if self.draining:
                answers.insert(0, pb.SessionDown(command=pb.SessionDown.DRAIN))
            return answers
        job = self._held(message.job)
        if job is None:
            return [pb.SessionDown(command=pb.SessionDown.FENCED, job=message.job)]
        self._record(job, message)
        if not message.ack_id:
            return []
        if self.acks_withheld > 0:
            self.acks_withheld -= 1
            return []
        return [pb.SessionDown(command=pb.SessionDown.ACK, job=message.job, ack_id=message.ack_id)]

    def _record(self, job: FakeJob, message: pb.SessionUp) -> None:
        kind = message.WhichOneof("body")
        if kind == "stage":
            job.stages.append(message.stage.name)
        elif kind == "progress":
            job.progress.append(message.progress.fraction)
        elif kind == "metrics":
            for point in message.metrics.points:
                job.metrics[point.step] = dict(point.values)
        elif kind == "log":
            job.log += [f"{line.level}: {line.text}" for line in message.log.lines]
            job.dropped += message.log.dropped
        elif kind == "sample":
            job.samples.append(message.sample)
        elif kind == "checkpoint":
            job.checkpoints.append(message.checkpoint)

    async def CreateDownloads(
        self, request: pb.CreateDownloadsRequest, context: Any
    ) -> pb.CreateDownloadsResponse:
        await self._check(context)
        job = self._held(request.job)
        if job is None:
            return pb.CreateDownloadsResponse(fenced=True)
        return pb.CreateDownloadsResponse(
            downloads=[
                pb.Download(name=name, url=self.store.presign(f"in/{job.id}/{name}"))
                for name in request.names
            ]
        )

    async def CreateUploads(
        self, request: pb.CreateUploadsRequest, context: Any
    ) -> pb.CreateUploadsResponse:
        await self._check(context)
        job = self._held(request.job)
        if job is None:
            return pb.CreateUploadsResponse(fenced=True)
        return pb.CreateUploadsResponse(uploads=[self._upload(job, file) for file in request.files])

    def _upload(self, job: FakeJob, file: pb.UploadFile) -> pb.Upload:
        key = f"jobs/{job.id}/{job.attempt}/{file.sha256}/{file.name}"
        if not self.part_size:
            return pb.Upload(name=file.name, url=self.store.presign(key))
        identity = f"&uploadId={file.sha256}"
        return pb.Upload(
            name=file.name,
            part_size=self.part_size,
            part_urls=[
                self.store.presign(key, f"&partNumber={number + 1}{identity}")
                for number in range(-(-file.size // self.part_size))
            ],
            complete_url=self.store.presign(key, identity),
        )

    async def Finish(self, request: pb.FinishRequest, context: Any) -> pb.FinishResponse:
        await self._check(context)
        job = self._held(request.job)
        if job is None:
            return pb.FinishResponse(fenced=True)
        if job.refusal and request.outcome == pb.FinishRequest.SUCCEEDED:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, job.refusal)
        job.finishes.append(request)
        job.state = {
            pb.FinishRequest.SUCCEEDED: "succeeded",
            pb.FinishRequest.FAILED: "failed",
            pb.FinishRequest.RELEASED: "queued",
        }[request.outcome]
        return pb.FinishResponse()


def _described(files: dict[str, bytes]) -> list[pb.InputFile]:
    return [
        pb.InputFile(name=name, size=len(body), sha256=hashlib.sha256(body).hexdigest())
        for name, body in files.items()
    ]
