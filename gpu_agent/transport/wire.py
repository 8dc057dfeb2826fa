"""Between protobuf and the plain types of `messages.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from gpu_agent.transport.messages import (
    ClaimAnswer,
    ClaimedJob,
    Command,
    Ending,
    HostInfo,
    JobKey,
    Outcome,
    Registration,
    RemoteFile,
    StoredObject,
    UploadTicket,
)
from syrinx.agent.v1 import agent_pb2 as pb
from syrinx.agent.v1 import specs_pb2 as specs

_COMMANDS = {
    pb.SessionDown.CANCEL: Command.CANCEL,
    pb.SessionDown.FINISH_NOW: Command.FINISH_NOW,
    pb.SessionDown.CHECKPOINT_NOW: Command.CHECKPOINT_NOW,
    pb.SessionDown.DRAIN: Command.DRAIN,
    pb.SessionDown.FENCED: Command.FENCED,
    pb.SessionDown.HEARTBEAT_OK: Command.HEARTBEAT_OK,
}
_OUTCOMES = {
    Outcome.SUCCEEDED: pb.FinishRequest.SUCCEEDED,
    Outcome.FAILED: pb.FinishRequest.FAILED,
    Outcome.RELEASED: pb.FinishRequest.RELEASED,
}


def plain(message: Message) -> dict[str, Any]:
    """Every field by its proto name, defaults included; 64-bit integers stay integers."""
    return {field.name: _plain_field(message, field) for field in message.DESCRIPTOR.fields}


def _plain_field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if _is_map(field):
        return dict(value)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    return [plain(item) for item in value] if field.is_repeated else plain(value)


def fill(message: Message, values: Mapping[str, Any]) -> None:
    """The reverse of `plain` for scalars, maps and nested messages.

    Raises `ValueError` for a name that the message does not have.
    """
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in values.items():
        if name not in fields:
            raise ValueError(f"{message.DESCRIPTOR.name} has no field {name!r}")
        field = fields[name]
        if _is_map(field):
            getattr(message, name).update(value)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        elif field.message_type is not None:
            fill(getattr(message, name), value)
        else:
            setattr(message, name, value)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def job_ref(key: JobKey) -> pb.JobRef:
    return pb.JobRef(job_id=key.job_id, attempt=key.attempt)


def object_ref(stored: StoredObject) -> pb.ObjectRef:
    return pb.ObjectRef(name=stored.name, sha256=stored.sha256, size=stored.size, role=stored.role)


def register_request(host: HostInfo) -> pb.RegisterRequest:
    return pb.RegisterRequest(
        host=host.host,
        devices=[
            pb.Device(
                name=device.name,
                model=device.model,
                memory_bytes=device.memory_bytes,
                compute_capability=device.compute_capability,
            )
            for device in host.devices
        ],
        versions=host.versions,
        capabilities=host.capabilities,
    )


def registration(message: pb.RegisterResponse) -> Registration:
    return Registration(**plain(message))


def claim_answer(message: pb.ClaimResponse) -> ClaimedJob | ClaimAnswer:
    """Raises `ValueError` when the answer has an outcome or a spec that this agent can't read."""
    if message.outcome == pb.ClaimResponse.GONE:
        return ClaimAnswer.GONE
    if message.outcome == pb.ClaimResponse.WAIT:
        return ClaimAnswer.WAIT
    which = message.spec.WhichOneof("kind")
    if message.outcome != pb.ClaimResponse.CLAIMED or which is None:
        raise ValueError(f"unreadable answer to Claim, outcome {message.outcome}, spec {which}")
    return ClaimedJob(
        key=JobKey(message.job_id, message.attempt),
        kind=message.kind,
        spec=plain(getattr(message.spec, which)),
        inputs=_remote_files(message.inputs),
        resume=_remote_files(message.resume.files),
        resume_step=message.resume.step,
        lease_seconds=message.lease_seconds,
    )


def _remote_files(files: Iterable[pb.InputFile]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(file.name, file.size, file.sha256) for file in files)


def upload_ticket(message: pb.Upload) -> UploadTicket:
    return UploadTicket(
        name=message.name,
        url=message.url,
        part_size=message.part_size,
        part_urls=tuple(message.part_urls),
        complete_url=message.complete_url,
    )


def command(message: pb.SessionDown) -> Command | None:
    """None for an acknowledgement, and for what a newer portal may send."""
    return _COMMANDS.get(message.command)


def finish_request(key: JobKey, ending: Ending) -> pb.FinishRequest:
    request = pb.FinishRequest(
        job=job_ref(key),
        outcome=_OUTCOMES[ending.outcome],
        error_code=ending.error_code,
        error_message=ending.error_message,
        manifest=[object_ref(stored) for stored in ending.manifest],
    )
    if ending.result_kind:
        result: specs.JobResult = request.result
        body = getattr(result, ending.result_kind)
        body.SetInParent()  # a result of defaults only is still a result
        fill(body, ending.result)
    return request
