"""`specs.py` and `specs.proto` say the same: field by field, and type by type."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gpu_agent.pipeline import __main__ as child
from gpu_agent.pipeline import specs
from gpu_agent.transport import wire
from syrinx.agent.v1 import specs_pb2 as pb

MIRRORED = [
    "PrepareSpec",
    "PrepareResult",
    "TrainParams",
    "Lineage",
    "TrainSpec",
    "ExportSpec",
    "VoiceResult",
    "ImportBaseSpec",
    "ImportBaseResult",
]

SCALARS: dict[int, type] = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_DOUBLE: float,
    FieldDescriptor.TYPE_INT32: int,
    FieldDescriptor.TYPE_INT64: int,
}


def python_type(field: FieldDescriptor) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return dict[SCALARS[key.type], SCALARS[value.type]]  # type: ignore[misc]
    if field.message_type is not None:
        return getattr(specs, field.message_type.name)
    scalar = SCALARS[field.type]
    return tuple[scalar, ...] if field.is_repeated else scalar  # type: ignore[valid-type]


def messages() -> dict[str, Descriptor]:
    return {
        name: message
        for name, message in pb.DESCRIPTOR.message_types_by_name.items()
        if name not in ("JobSpec", "JobResult")
    }


def test_every_message_is_mirrored() -> None:
    assert set(messages()) == set(MIRRORED)


@pytest.mark.parametrize("name", MIRRORED)
def test_the_dataclass_mirrors_the_message(name: str) -> None:
    hints = typing.get_type_hints(getattr(specs, name))
    assert hints == {field.name: python_type(field) for field in messages()[name].fields}


def test_the_kinds_of_a_spec_are_those_that_the_child_knows() -> None:
    assert {field.name for field in pb.JobSpec.DESCRIPTOR.fields} == set(child.SPECS)
    for field in pb.JobSpec.DESCRIPTOR.fields:
        assert child.SPECS[field.name].__name__ == field.message_type.name


def test_the_kinds_of_a_result_are_those_that_the_child_sends() -> None:
    assert {field.name for field in pb.JobResult.DESCRIPTOR.fields} == set(child.RESULTS.values())
    for kind, name in child.RESULTS.items():
        assert pb.JobResult.DESCRIPTOR.fields_by_name[name].message_type.name == kind.__name__


def test_a_spec_arrives_in_the_child_as_it_was_sent() -> None:
    sent = pb.TrainSpec(
        language="en-us",
        voice_name="ada",
        has_base=True,
        params=pb.TrainParams(quality="medium", max_steps=2**40, learning_rate=2e-4),
        sentences=["One.", "Two."],
        lineage=pb.Lineage(dataset="recordings", dataset_version=3),
    )
    spec = child.from_dict(specs.TrainSpec, wire.plain(sent))
    assert spec.params.max_steps == 2**40
    assert spec.sentences == ("One.", "Two.")
    assert spec.lineage == specs.Lineage(dataset="recordings", dataset_version=3)


def test_a_result_arrives_in_the_portal_as_it_was_made() -> None:
    made = specs.VoiceResult("en_US-ada-medium", 100, 2, {"val_mel": 0.5}, 22050, 1, 0.05)
    message = pb.VoiceResult()
    wire.fill(message, dataclasses.asdict(made))
    assert message.steps == 100
    assert dict(message.scores) == {"val_mel": 0.5}
    assert wire.plain(message) == dataclasses.asdict(made)


def test_a_result_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="no field 'colour'"):
        wire.fill(pb.VoiceResult(), {"colour": "red"})
