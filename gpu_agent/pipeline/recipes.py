"""What each kind of job does, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpu_agent.engines.base import load_engine
from gpu_agent.pipeline.context import Context, JobFailed
from gpu_agent.pipeline.export import export
from gpu_agent.pipeline.fetch import fetch_all, fetch_training
from gpu_agent.pipeline.import_base import FOLDER, import_base, publish_base
from gpu_agent.pipeline.prepare import prepare
from gpu_agent.pipeline.prepare_dataset import prepare_dataset
from gpu_agent.pipeline.progress import Stages
from gpu_agent.pipeline.publish import publish
from gpu_agent.pipeline.specs import (
    ExportSpec,
    ImportBaseResult,
    ImportBaseSpec,
    PrepareResult,
    PrepareSpec,
    Result,
    Spec,
    TrainSpec,
    VoiceResult,
)
from gpu_agent.pipeline.train import train
from gpu_agent.pipeline.verify import verify

AFTER_TRAINING = 30.0  # seconds that export, verify and publish take


def run(kind: str, spec: Spec, context: Context) -> Result:
    """Do a job to its end. Raises `JobFailed`, or `Released` when the host wants it back."""
    recipe = RECIPES.get(kind)
    if recipe is None:
        raise JobFailed("kind_unknown", f"This agent cannot do “{kind}” jobs. Update the agent.")
    result: Result = recipe(spec, context)
    return result


def make_voice(spec: TrainSpec, context: Context) -> VoiceResult:
    """fetch → prepare → train → export → verify → publish."""
    shares = {"fetch": 4, "prepare": 6, "train": 80, "export": 5, "verify": 3, "publish": 2}
    stages, engine = Stages(context, shares, AFTER_TRAINING), load_engine()
    engine.check_language(spec.language)
    inputs = fetch_training(spec, stages.begin("fetch", "Fetching the dataset"))
    prepared = prepare(spec, inputs, engine, stages.begin("prepare", "Computing features"))
    trained = train(spec, inputs, prepared, engine, stages.begin("train", "Training begins"))
    exported = export(spec, trained.checkpoint, engine, stages.begin("export", "Exporting"))
    verified = verify(spec, exported, engine, stages.begin("verify", "Listening to the voice"))
    return publish(spec, exported, verified, stages.begin("publish", "Storing the voice"))


def export_voice(spec: ExportSpec, context: Context) -> VoiceResult:
    """fetch → export → verify → publish."""
    shares = {"fetch": 3, "export": 4, "verify": 2, "publish": 1}
    stages, engine = Stages(context, shares), load_engine()
    paths = fetch_all(["checkpoint.ckpt"], stages.begin("fetch", "Fetching the checkpoint"))
    checkpoint = paths["checkpoint.ckpt"]
    exported = export(spec, checkpoint, engine, stages.begin("export", "Exporting"))
    verified = verify(spec, exported, engine, stages.begin("verify", "Listening to the voice"))
    return publish(spec, exported, verified, stages.begin("publish", "Storing the voice"))


def check_dataset(spec: PrepareSpec, context: Context) -> PrepareResult:
    """prepare, fetching as it goes."""
    stages = Stages(context, {"prepare": 1})
    return prepare_dataset(spec, load_engine(), stages.begin("prepare", "Checking the dataset"))


def make_base(spec: ImportBaseSpec, context: Context) -> ImportBaseResult:
    """fetch → import → publish."""
    stages, engine = Stages(context, {"fetch": 2, "import": 7, "publish": 1}), load_engine()
    names = [name for name in context.inputs if name.startswith(FOLDER)]
    sources = fetch_all(names, stages.begin("fetch", "Fetching the voice"))
    imported = import_base(spec, sources, engine, stages.begin("import", "Reading the voice"))
    return publish_base(imported, stages.begin("publish", "Storing the base voice"))


RECIPES: dict[str, Callable[[Any, Context], Result]] = {
    "prepare": check_dataset,
    "train": make_voice,
    "export": export_voice,
    "import_base": make_base,
}
