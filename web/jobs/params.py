"""The knobs of a training: units, ranges, and how presets and choices become a spec."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from web.core.problems import Invalid
from web.jobs.presets import PRESETS, Preset
from web.voices.models import BaseVoice

Quality = Literal["x_low", "low", "medium", "high"]

BUDGETS = ("max_steps", "max_epochs", "max_minutes")


class TrainOptions(BaseModel):
    """What a person may change. What is left out comes from the preset."""

    model_config = ConfigDict(extra="forbid")

    quality: Annotated[Quality | None, Field(description="Size of the voice.")] = None
    max_steps: Annotated[
        int | None, Field(ge=1, le=2_000_000, description="Batches to train on.")
    ] = None
    max_epochs: Annotated[
        int | None, Field(ge=1, le=100_000, description="Passes over the data.")
    ] = None
    max_minutes: Annotated[float | None, Field(gt=0, le=60 * 24 * 14, description="Minutes.")] = (
        None
    )
    batch_size: Annotated[int | None, Field(ge=1, le=256, description="Utterances a step.")] = None
    learning_rate: Annotated[
        float | None, Field(gt=0, le=0.01, description="Of both optimisers.")
    ] = None
    lr_decay: Annotated[float | None, Field(gt=0.5, le=1, description="Factor an epoch.")] = None
    seed: Annotated[int | None, Field(ge=0, le=2**31 - 1, description="Of everything random.")] = (
        None
    )
    checkpoint_minutes: Annotated[float | None, Field(gt=0, le=600, description="Minutes.")] = None
    keep_checkpoints: Annotated[int | None, Field(ge=1, le=50, description="Newest ones kept.")] = (
        None
    )
    warmup_steps: Annotated[
        int | None,
        Field(ge=0, le=100_000, description="Steps that train only what the base voice lacks."),
    ] = None
    validation_split: Annotated[
        float | None, Field(ge=0, le=0.5, description="Share of utterances held back to judge by.")
    ] = None
    sample_every_steps: Annotated[
        int | None,
        Field(ge=0, le=100_000, description="Steps between sounds to listen to; 0: checkpoints."),
    ] = None
    segment_size: Annotated[
        int | None,
        Field(ge=2048, le=32768, multiple_of=256, description="Audio samples a training slice."),
    ] = None
    threads: Annotated[
        int | None, Field(ge=0, le=256, description="CPU threads; 0: the host's own.")
    ] = None
    sentences: Annotated[
        list[Annotated[str, Field(max_length=500)]] | None,
        Field(max_length=12, description="What is rendered while training."),
    ] = None


def preset_named(key: str) -> Preset:
    preset = PRESETS.get(key)
    if preset is None:
        raise Invalid(
            f"There is no preset {key!r}; choose one of {', '.join(PRESETS)}.", code="preset"
        )
    return preset


def resolve(preset: Preset, chosen: TrainOptions, base: BaseVoice | None) -> dict[str, Any]:
    """Every field of `TrainParams`: the preset's values, overridden by the person's.

    Raises `Invalid` where the choice contradicts the base voice.
    """
    given = chosen.model_dump(exclude_none=True, exclude={"sentences"})
    params = {**preset.params, **given}
    if any(name in given for name in BUDGETS):
        # A budget that a person names replaces the preset's, whatever its unit.
        params.update({name: given.get(name, 0) for name in BUDGETS})
        if params["max_steps"] and "warmup_steps" not in given:
            # A short budget keeps a quarter for the voice itself.
            params["warmup_steps"] = min(params["warmup_steps"], params["max_steps"] * 3 // 4)
    if base is not None:
        params["quality"] = given.get("quality", base.quality)
        if params["quality"] != base.quality:
            raise Invalid(
                f"{base.name} is a {base.quality} voice, so a training from it is {base.quality} "
                f"too. Leave the quality out, or choose a {params['quality']} base voice.",
                code="quality_mismatch",
            )
        if base.source == "checkpoint":
            # A checkpoint holds every part: there is nothing to warm up.
            params["warmup_steps"] = given.get("warmup_steps", 0)
    else:
        params["warmup_steps"] = 0
    return params
