"""Whole jobs, from inputs to what is kept, on a tiny voice."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gpu_agent.engines.piper.speech import Speaker
from gpu_agent.pipeline import recipes
from gpu_agent.pipeline.context import JobFailed, Released
from gpu_agent.pipeline.specs import (
    ExportSpec,
    ImportBaseResult,
    ImportBaseSpec,
    Lineage,
    PrepareSpec,
    TrainParams,
    TrainSpec,
    VoiceResult,
)
from tests.gpu_agent.pipeline.memory_context import FolderContext
from tests.gpu_agent.voices import joe_file, write_ndjson

STAGES = ["fetch", "prepare", "train", "export", "verify", "publish"]
LINEAGE = Lineage(dataset="birds", dataset_version=3, base_voice="joe", base_licence="CC0")


def spec(tiny: str, **params: object) -> TrainSpec:
    settings = {
        "quality": tiny,
        "max_steps": 2,
        "batch_size": 2,
        "adversarial": False,
        "segment_size": 2048,
        "threads": 1,
        **params,
    }
    return TrainSpec(
        language="en-us",
        voice_name="ada",
        has_base=False,
        params=TrainParams(**settings),  # type: ignore[arg-type]
        sentences=("The sun is up.", "Good night."),
        lineage=LINEAGE,
    )


@pytest.fixture
def inputs(speech: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    files = {f"clips/{path.stem}.wav": path for path in speech.values()}
    lines: list[dict[str, object]] = [
        {"id": path.stem, "text": text, "audio": f"clips/{path.stem}.wav", "seconds": 1.0}
        for text, path in speech.items()
    ]
    lines.append({"id": "gone", "text": "Hello.", "audio": "clips/gone.wav", "seconds": 1.0})
    return {"utterances.ndjson": write_ndjson(tmp_path / "utterances.ndjson", lines), **files}


@pytest.mark.slow
def test_a_training_goes_through_its_stages_to_a_bundle(
    tiny: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    context = FolderContext(tmp_path, inputs)
    context.wishes = {0: "checkpoint_now"}  # wished before the training begins: not lost
    result = recipes.run("train", spec(tiny), context)
    assert isinstance(result, VoiceResult)
    assert (result.stem, result.steps, result.sample_rate) == ("en_US-ada-tiny", 2, 22050)
    assert context.stages == STAGES
    assert context.fractions == sorted(context.fractions) and context.fractions[-1] == 1.0
    assert [step for step, _, _ in context.checkpoints] == [1, 2]
    assert any("gone" in line and "missing" in line for line in context.logs)
    assert "Training: step 2 of 2, epoch 1" in context.notes
    roles = {role: len(files) for role, files in context.kept.items()}
    assert roles == {
        "checkpoint": 2,
        "sample": 4,
        "onnx": 1,
        "config": 1,
        "model_card": 1,
        "voice_sample": 2,
        "bundle": 1,
    }
    [(name, bundle)] = context.kept["bundle"]
    assert name == "en_US-ada-tiny.zip"
    with zipfile.ZipFile(bundle) as file:
        assert file.namelist() == [
            "en_US-ada-tiny.onnx",
            "en_US-ada-tiny.onnx.json",
            "MODEL_CARD",
            "samples/sample_1.wav",
            "samples/sample_2.wav",
        ]
        file.extractall(tmp_path / "bundle")
    card = (tmp_path / "bundle" / "MODEL_CARD").read_text()
    for line in ("Name: birds", "Version: 3", "Name: joe", "License: CC0", "Steps: 2", "val_mel"):
        assert line in card
    wav = Speaker().speak(
        tmp_path / "bundle" / "en_US-ada-tiny.onnx",
        tmp_path / "bundle" / "en_US-ada-tiny.onnx.json",
        "Good night.",
    )
    assert len(wav) > 2000
    # The checkpoint can be exported by a job of its own, and gives the same voice.
    other = FolderContext(tmp_path / "other", {"checkpoint.ckpt": context.checkpoints[-1][1]})
    again = recipes.run(
        "export", ExportSpec("en-us", "ada", tiny, ("Good night.",), LINEAGE), other
    )
    assert isinstance(again, VoiceResult) and again.stem == result.stem
    assert other.stages == ["fetch", "export", "verify", "publish"]


@pytest.mark.slow
def test_a_released_training_is_resumed_by_another_host(
    tiny: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    first = FolderContext(tmp_path / "first", inputs)
    first.wishes = {2: "release"}  # after the first step
    with pytest.raises(Released):
        recipes.run("train", spec(tiny), first)
    [(step, checkpoint, _)] = first.checkpoints
    assert step == 1 and "onnx" not in first.kept
    second = FolderContext(tmp_path / "second", inputs, resume=checkpoint)
    result = recipes.run("train", spec(tiny), second)
    assert isinstance(result, VoiceResult) and result.steps == 2
    assert any("from the checkpoint at step 1" in line for line in second.logs)


@pytest.mark.slow
def test_an_onnx_voice_becomes_a_base(tmp_path: Path) -> None:
    names = ("en_US-joe-medium.onnx", "en_US-joe-medium.onnx.json", "MODEL_CARD")
    context = FolderContext(tmp_path, {f"source/{name}": joe_file(name) for name in names})
    result = recipes.run("import_base", ImportBaseSpec("onnx"), context)
    assert isinstance(result, ImportBaseResult)
    assert result.max_difference <= 1e-4 and result.licence == "CC0"
    kept = {role: name for role, [(name, _)] in context.kept.items()}
    assert kept == {
        "base_weights": "weights.safetensors",
        "base_config": "config.json",
        "base_sample": "base_sample.wav",
    }
    config = json.loads(context.kept["base_config"][0][1].read_text())
    assert config["audio"]["quality"] == "medium"


def test_a_base_without_its_files_is_refused(tmp_path: Path, joe: tuple[Path, Path]) -> None:
    for source, files, code in (
        ("onnx", {}, "source_missing"),
        ("onnx", {"source/a.onnx": joe[0]}, "config_missing"),
        ("checkpoint", {}, "source_missing"),
    ):
        with pytest.raises(JobFailed) as refused:
            recipes.run("import_base", ImportBaseSpec(source), FolderContext(tmp_path, files))
        assert refused.value.code == code


def test_an_unknown_kind_and_language_are_refused(
    tiny: str, inputs: dict[str, Path], tmp_path: Path
) -> None:
    context = FolderContext(tmp_path, inputs)
    with pytest.raises(JobFailed) as refused:
        recipes.run("dance", PrepareSpec("en-us"), context)
    assert refused.value.code == "kind_unknown"
    wrong = TrainSpec("en_GB", "ada", False, TrainParams(max_steps=1))
    with pytest.raises(JobFailed) as refused:
        recipes.run("train", wrong, context)
    assert refused.value.code == "language_unknown"


def test_importing_the_pipeline_loads_no_machine_learning() -> None:
    code = (
        "import sys, gpu_agent.pipeline.recipes, gpu_agent.engines.phonemizer;"
        "print([m for m in ('torch', 'lightning', 'onnxruntime', 'piper') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
