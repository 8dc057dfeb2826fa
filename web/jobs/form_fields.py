"""The numbers behind *Advanced*: each with its unit, range, default and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from web.jobs.params import TrainOptions


@dataclass(frozen=True)
class FormField:
    name: str
    label: str
    unit: str
    help: str
    least: float
    most: float
    step: str = "1"
    default: Any = ""

    @property
    def shown_default(self) -> str:
        return "none" if self.default in (0, "", None) else f"{self.default:g}"


FIELDS = (
    FormField("max_steps", "Length", "steps", "How many batches to learn from.", 1, 2_000_000),
    FormField("max_minutes", "Time limit", "minutes", "Replaces the length.", 1, 20_160),
    FormField("batch_size", "Batch", "recordings", "More needs more GPU memory.", 1, 256),
    FormField(
        "learning_rate",
        "Learning rate",
        "",
        "Lower is gentler and slower.",
        0.000001,
        0.01,
        "any",
    ),
    FormField(
        "checkpoint_minutes",
        "Save and speak every",
        "minutes",
        "Then there is something to listen to.",
        0.1,
        600,
        "any",
    ),
    FormField("keep_checkpoints", "Checkpoints to keep", "", "Each takes about 1 GB.", 1, 50),
    FormField(
        "warmup_steps",
        "Warm-up",
        "steps",
        "Trains only what the base voice lacks.",
        0,
        100_000,
    ),
    FormField(
        "validation_split",
        "Held back",
        "share",
        "Recordings to judge by, not to learn from.",
        0,
        0.5,
        "any",
    ),
    FormField("seed", "Seed", "", "The same seed gives the same run.", 0, 2**31 - 1),
)


def filled(fields: Iterable[FormField], params: Mapping[str, Any]) -> list[FormField]:
    """The fields with a preset's values as their defaults."""
    return [replace(field, default=params.get(field.name, "")) for field in fields]


def options_from(values: Mapping[str, str]) -> TrainOptions:
    """What a person typed; empty fields come from the preset.

    Raises pydantic's `ValidationError`.
    """
    given: dict[str, Any] = {
        field.name: values[field.name].strip()
        for field in FIELDS
        if values.get(field.name, "").strip()
    }
    if values.get("quality"):
        given["quality"] = values["quality"]
    sentences = [line.strip() for line in values.get("sentences", "").splitlines()]
    if any(sentences):
        given["sentences"] = [line for line in sentences if line]
    return TrainOptions.model_validate(given)
