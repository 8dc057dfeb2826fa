"""The agents' door, over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import httpx
import pytest

from syrinx.agent.v1 import agent_pb2 as pb
from syrinx.agent.v1 import agent_pb2_grpc
from tests.factories import host, ready_base, ready_dataset
from web.accounts.models import Team, User
from web.fleet.actions import drain_agent, revoke_agent
from web.fleet.grpc_service import AgentService
from web.jobs.actions import cancel_job, submit_train
from web.jobs.models import Checkpoint, Job, JobState, LogLine, Sample
from web.voices.models import Voice

pytestmark = pytest.mark.django_db(transaction=True)
Stub = Any
Down = pb.SessionDown


@pytest.fixture
def job(alice: User, alpha: Team) -> Job:
    return submit_train(alice, ready_dataset(alpha), preset="cpu", base_voice=ready_base())


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[Stub]:
    server = grpc.aio.server()
    agent_pb2_grpc.add_AgentServiceServicer_to_server(AgentService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield agent_pb2_grpc.AgentServiceStub(channel)
    await server.stop(0)


def bearer(token: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)


def talk(conversation: Callable[[Stub], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with door() as stub:
            return await asyncio.wait_for(conversation(stub), 30)

    return asyncio.run(run())


def test_an_unknown_token_is_refused() -> None:
    async def conversation(stub: Stub) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Register(pb.RegisterRequest(host="x"), metadata=bearer("sya_wrong"))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert "Fleet page" in refused.value.details()

    talk(conversation)


def test_a_host_says_what_it_is() -> None:
    agent, token = host()

    async def conversation(stub: Stub) -> pb.RegisterResponse:
        device = pb.Device(name="cuda:0", model="NVIDIA H200", memory_bytes=150_000_000_000)
        request = pb.RegisterRequest(host="ada", devices=[device], capabilities=["train"])
        return await stub.Register(request, metadata=bearer(token))

    answer = talk(conversation)
    agent.refresh_from_db()
    assert answer.agent_id == str(agent.pk)
    assert (answer.heartbeat_seconds, answer.lease_seconds) == (5, 20)
    assert agent.devices[0]["memory_bytes"] == 150_000_000_000
    assert agent.capabilities == ["train"]


def test_a_whole_training_over_the_wire(job: Job) -> None:
    _, token = host()

    async def conversation(stub: Stub) -> None:
        mine = bearer(token)
        request = pb.ClaimRequest(job_id=str(job.pk), device="cpu")
        claim = await stub.Claim(request, metadata=mine)
        assert claim.outcome == pb.ClaimResponse.CLAIMED
        assert claim.spec.train.params.batch_size == 4
        assert claim.spec.train.lineage.dataset == "Ada"
        again = await stub.Claim(request, metadata=mine)
        assert again.outcome == pb.ClaimResponse.GONE
        ref = pb.JobRef(job_id=claim.job_id, attempt=claim.attempt)

        names = [one.name for one in claim.inputs]
        signed = await stub.CreateDownloads(
            pb.CreateDownloadsRequest(job=ref, names=names), metadata=mine
        )
        async with httpx.AsyncClient() as web:
            for download, promised in zip(signed.downloads, claim.inputs, strict=True):
                body = (await web.get(download.url)).content
                assert hashlib.sha256(body).hexdigest() == promised.sha256

            checkpoint = await upload(stub, web, mine, ref, "step-5.ckpt", b"weights")
            sample = await upload(stub, web, mine, ref, "s.wav", b"sound")
            files = [
                await upload(stub, web, mine, ref, name, body, role)
                for name, body, role in (
                    ("en_US-ada-medium.onnx", b"model", "onnx"),
                    ("en_US-ada-medium.onnx.json", b"{}", "config"),
                    ("en_US-ada-medium.zip", b"zip", "bundle"),
                )
            ]

        up = [
            pb.SessionUp(heartbeat=pb.Heartbeat(held=[ref])),
            pb.SessionUp(job=ref, stage=pb.Stage(name="train")),
            pb.SessionUp(job=ref, progress=pb.Progress(fraction=0.5, eta_seconds=60)),
            pb.SessionUp(
                job=ref, metrics=pb.Metrics(points=[pb.MetricPoint(step=5, values={"mel": 0.7})])
            ),
            pb.SessionUp(
                job=ref, log=pb.Log(lines=[pb.LogLine(at=1.0, level="info", text="a\x00b")])
            ),
            pb.SessionUp(
                job=ref, ack_id=7, checkpoint=pb.Checkpoint(step=5, epoch=1, object=checkpoint)
            ),
            pb.SessionUp(job=ref, ack_id=8, sample=pb.Sample(step=5, text="Hi.", object=sample)),
        ]
        down = [message async for message in stub.Session(iter_of(up), metadata=mine)]
        assert [message.command for message in down] == [Down.HEARTBEAT_OK, Down.ACK, Down.ACK]
        assert [message.ack_id for message in down[1:]] == [7, 8]

        finish = pb.FinishRequest(job=ref, outcome=pb.FinishRequest.SUCCEEDED, manifest=files)
        finish.result.voice.stem = "en_US-ada-medium"
        finish.result.voice.steps = 5
        for _ in range(2):
            assert not (await stub.Finish(finish, metadata=mine)).fenced

    talk(conversation)
    job.refresh_from_db()
    assert (job.state, job.progress) == (JobState.SUCCEEDED, 1.0)
    assert Voice.objects.get().stem == "en_US-ada-medium"
    assert Checkpoint.objects.get().step == 5
    assert Sample.objects.get().text == "Hi."
    assert LogLine.objects.get().text == "a\ufffdb"
    assert job.metrics.get().values == {"mel": 0.7}


def test_a_large_object_goes_up_in_parts(job: Job) -> None:
    _, token = host()
    size = 64 * 2**20 + 5

    async def conversation(stub: Stub) -> pb.Upload:
        claim = await stub.Claim(pb.ClaimRequest(), metadata=bearer(token))
        ref = pb.JobRef(job_id=claim.job_id, attempt=claim.attempt)
        file = pb.UploadFile(name="big.ckpt", size=size, sha256="0" * 64)
        request = pb.CreateUploadsRequest(job=ref, files=[file])
        signed = await stub.CreateUploads(request, metadata=bearer(token))
        return signed.uploads[0]

    made = talk(conversation)
    assert (made.url, len(made.part_urls), made.part_size) == ("", 2, 64 * 2**20)
    body = b"x" * size
    tags = []
    for number, url in enumerate(made.part_urls):
        part = body[number * made.part_size : (number + 1) * made.part_size]
        tags.append(httpx.put(url, content=part, timeout=60).raise_for_status().headers["ETag"])
    parts = "".join(
        f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>"
        for n, tag in enumerate(tags, 1)
    )
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
    httpx.post(made.complete_url, content=document, timeout=60).raise_for_status()
    from web.core import storage

    assert storage.size(f"jobs/{job.pk}/1/{'0' * 64}/big.ckpt") == size


def test_a_cancelled_job_is_called_off_and_everything_else_is_fenced(job: Job, alice: User) -> None:
    _, token = host()

    async def conversation(stub: Stub) -> tuple[list[Any], Any]:
        mine = bearer(token)
        claim = await stub.Claim(pb.ClaimRequest(), metadata=mine)
        ref = pb.JobRef(job_id=claim.job_id, attempt=claim.attempt)
        await asyncio.to_thread(cancel_job, alice, job)
        up = [
            pb.SessionUp(heartbeat=pb.Heartbeat(held=[ref])),
            pb.SessionUp(job=ref, progress=pb.Progress(fraction=0.9)),
        ]
        down = [message.command async for message in stub.Session(iter_of(up), metadata=mine)]
        finish = pb.FinishRequest(job=ref, outcome=pb.FinishRequest.FAILED, error_code="x")
        return down, await stub.Finish(finish, metadata=mine)

    down, finish = talk(conversation)
    assert down == [Down.CANCEL, Down.HEARTBEAT_OK, Down.FENCED]
    assert finish.fenced


def test_another_hosts_job_can_not_be_touched(job: Job) -> None:
    _, token = host("one")
    _, other = host("two")

    async def conversation(stub: Stub) -> list[bool]:
        claim = await stub.Claim(pb.ClaimRequest(), metadata=bearer(token))
        ref = pb.JobRef(job_id=claim.job_id, attempt=claim.attempt)
        theirs = bearer(other)
        file = pb.UploadFile(name="a", size=1, sha256="0" * 64)
        answers = [
            await stub.CreateDownloads(
                pb.CreateDownloadsRequest(job=ref, names=["utterances.ndjson"]), metadata=theirs
            ),
            await stub.CreateUploads(
                pb.CreateUploadsRequest(job=ref, files=[file]), metadata=theirs
            ),
            await stub.Finish(
                pb.FinishRequest(job=ref, outcome=pb.FinishRequest.FAILED), metadata=theirs
            ),
        ]
        return [answer.fenced for answer in answers]

    assert talk(conversation) == [True, True, True]


def test_what_can_not_be_stored_does_not_break_the_session(job: Job) -> None:
    _, token = host()

    async def conversation(stub: Stub) -> list[Any]:
        mine = bearer(token)
        claim = await stub.Claim(pb.ClaimRequest(job_id=str(job.pk), device="cpu"), metadata=mine)
        ref = pb.JobRef(job_id=claim.job_id, attempt=claim.attempt)
        up = [
            pb.SessionUp(job=ref, ack_id=1, stage=pb.Stage(name="a\0b")),
            pb.SessionUp(job=ref, ack_id=2, stage=pb.Stage(name="train")),
        ]
        return [message async for message in stub.Session(iter_of(up), metadata=mine)]

    assert [message.ack_id for message in talk(conversation)] == [1, 2]
    job.refresh_from_db()
    assert job.stage == "train"


def test_a_result_that_can_not_be_used_is_refused_for_good(job: Job) -> None:
    """Any other status would have the agent repeat it for ever."""
    _, token = host()

    async def conversation(stub: Stub) -> grpc.StatusCode:
        mine = bearer(token)
        claim = await stub.Claim(pb.ClaimRequest(job_id=str(job.pk), device="cpu"), metadata=mine)
        ref = pb.JobRef(job_id=claim.job_id, attempt=claim.attempt)
        async with httpx.AsyncClient() as web:
            files = [
                await upload(stub, web, mine, ref, name, name.encode(), name)
                for name in ("onnx", "config", "bundle")
            ]
        finish = pb.FinishRequest(job=ref, outcome=pb.FinishRequest.SUCCEEDED, manifest=files)
        finish.result.voice.steps = 5  # and no stem
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Finish(finish, metadata=mine)
        return refused.value.code()

    assert talk(conversation) == grpc.StatusCode.INVALID_ARGUMENT


def test_a_revoked_host_is_thrown_out_of_its_session(root: User) -> None:
    agent, token = host()

    async def conversation(stub: Stub) -> None:
        await asyncio.to_thread(revoke_agent, root, agent)
        session = stub.Session(
            iter_of([pb.SessionUp(heartbeat=pb.Heartbeat())]), metadata=bearer(token)
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in session:
                pass
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED

    talk(conversation)


def test_a_draining_host_hears_it_and_gets_nothing(job: Job, root: User) -> None:
    agent, token = host()
    drain_agent(root, agent, True)

    async def conversation(stub: Stub) -> tuple[Any, list[Any]]:
        claim = await stub.Claim(pb.ClaimRequest(), metadata=bearer(token))
        session = stub.Session(
            iter_of([pb.SessionUp(heartbeat=pb.Heartbeat())]), metadata=bearer(token)
        )
        return claim.outcome, [message.command async for message in session]

    outcome, down = talk(conversation)
    assert outcome == pb.ClaimResponse.WAIT
    assert down == [Down.DRAIN, Down.HEARTBEAT_OK]


async def iter_of(messages: list[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message


async def upload(
    stub: Stub,
    web: httpx.AsyncClient,
    metadata: Any,
    ref: pb.JobRef,
    name: str,
    body: bytes,
    role: str = "",
) -> pb.ObjectRef:
    sha256 = hashlib.sha256(body).hexdigest()
    file = pb.UploadFile(name=name, size=len(body), sha256=sha256)
    signed = await stub.CreateUploads(
        pb.CreateUploadsRequest(job=ref, files=[file]), metadata=metadata
    )
    (await web.put(signed.uploads[0].url, content=body)).raise_for_status()
    return pb.ObjectRef(name=name, sha256=sha256, size=len(body), role=role)
