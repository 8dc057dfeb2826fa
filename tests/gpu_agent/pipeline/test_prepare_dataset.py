from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpu_agent.pipeline import recipes
from gpu_agent.pipeline.context import JobFailed, Released
from gpu_agent.pipeline.specs import PrepareResult, PrepareSpec
from tests.gpu_agent.pipeline.memory_context import FolderContext
from tests.gpu_agent.voices import write_ndjson

SPEC = PrepareSpec("en-us", 22050)


@pytest.fixture
def inputs(speech: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    texts = list(speech)
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound here")
    files = {f"audio/{n}.wav": speech[text] for n, text in enumerate(texts[:3])}
    files["audio/broken.mp3"] = broken
    lines: list[dict[str, Any]] = [
        {"id": f"u{n}", "name": f"{n}.wav", "text": texts[n], "audio": f"audio/{n}.wav"}
        for n in range(3)
    ]
    lines += [
        {"id": "b", "name": "broken.mp3", "text": "Hello.", "audio": "audio/broken.mp3"},
        {"id": "m", "name": "gone.wav", "text": "Hello.", "audio": "audio/gone.wav"},
        {"id": "e", "name": "0.wav", "text": " … ", "audio": "audio/0.wav"},
    ]
    return {"utterances.ndjson": write_ndjson(tmp_path / "utterances.ndjson", lines), **files}


def prepared(context: FolderContext) -> dict[str, dict[str, Any]]:
    [(_, path)] = context.kept["utterances"]
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["id"]: line for line in lines}


def test_good_ones_become_clips_and_bad_ones_are_named(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    context = FolderContext(tmp_path, inputs)
    result = recipes.run("prepare", SPEC, context)
    assert isinstance(result, PrepareResult)
    assert (result.utterances, result.rejected) == (3, 3)
    lines = prepared(context)
    assert list(lines) == ["u0", "u1", "u2", "b", "m", "e"]
    assert result.seconds == pytest.approx(sum(lines[f"u{n}"]["seconds"] for n in range(3)), 0.01)
    assert lines["u0"]["clip"] == "u0.wav" and "ʌn" in lines["u0"]["phonemes"]
    assert {name for name, _ in context.kept["clip"]} == {"u0.wav", "u1.wav", "u2.wav"}
    reasons = {who: [issue["code"] for issue in lines[who]["issues"]] for who in "bme"}
    assert reasons == {"b": ["unknown_format"], "m": ["audio_missing"], "e": ["text_empty"]}
    assert all(lines[who]["clip"] is None for who in "bme")
    assert all(set(issue) == {"code", "value", "limit", "advice"} for issue in lines["b"]["issues"])
    assert context.stages == ["prepare"] and context.fractions[-1] == 1.0
    assert not list((context.work_dir / "inputs" / "audio").iterdir())  # nothing piles up


def test_what_was_judged_before_is_not_fetched_again(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    first = FolderContext(tmp_path, inputs)
    recipes.run("prepare", SPEC, first)
    again = FolderContext(tmp_path, inputs)
    recipes.run("prepare", SPEC, again)
    assert again.fetched == ["utterances.ndjson"]
    assert prepared(again) == prepared(first)
    other_rate = FolderContext(tmp_path, inputs)
    recipes.run("prepare", PrepareSpec("en-us", 16000), other_rate)
    assert len(other_rate.fetched) == 5


def test_a_recording_that_is_there_several_times_is_judged_once(
    speech: dict[str, Path], tmp_path: Path
) -> None:
    text, recording = next(iter(speech.items()))
    files = {f"audio/{n}.wav": recording for n in range(8)}
    lines = [
        {"id": f"u{n}", "name": f"{n}.wav", "text": text, "audio": f"audio/{n}.wav"}
        for n in range(8)
    ]
    table = write_ndjson(tmp_path / "utterances.ndjson", lines)
    context = FolderContext(tmp_path, {"utterances.ndjson": table, **files})
    result = recipes.run("prepare", SPEC, context)
    assert isinstance(result, PrepareResult) and result.utterances == 8
    assert len(context.fetched) == 2
    assert len(context.kept["clip"]) == 8


def test_an_unknown_language_and_an_empty_dataset_fail_clearly(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(JobFailed) as refused:
        recipes.run("prepare", PrepareSpec("en_US", 22050), FolderContext(tmp_path, inputs))
    assert refused.value.code == "language_unknown"
    inputs["utterances.ndjson"].write_text("\n")
    with pytest.raises(JobFailed) as refused:
        recipes.run("prepare", SPEC, FolderContext(tmp_path, inputs))
    assert refused.value.code == "dataset_empty"
    inputs["utterances.ndjson"].write_text('{"id": 1\n')
    with pytest.raises(JobFailed) as refused:
        recipes.run("prepare", SPEC, FolderContext(tmp_path, inputs))
    assert refused.value.code == "input_invalid"


def test_it_stops_when_the_host_wants_the_job_back(inputs: dict[str, Path], tmp_path: Path) -> None:
    context = FolderContext(tmp_path, inputs)
    context.wishes = {0: "release"}
    with pytest.raises(Released):
        recipes.run("prepare", SPEC, context)
