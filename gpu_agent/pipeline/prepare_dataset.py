"""The `prepare` job: every recording checked, standardised and phonemised.

It works through the dataset in small lots: fetch, judge on all cores, keep, forget.
So neither memory nor disk grows with the dataset. A recording that was judged on
this host before comes from the cache without even being fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from gpu_agent.engines.base import Engine
from gpu_agent.pipeline.audio import Issue, Judged, judge_recording
from gpu_agent.pipeline.context import OutputFile
from gpu_agent.pipeline.fetch import AT_ONCE, UTTERANCES, chunks, read_entries
from gpu_agent.pipeline.progress import Stage
from gpu_agent.pipeline.specs import PrepareResult, PrepareSpec

VERSION = 1  # of what a verdict means; raise it when `audio.py` judges differently
PREPARED = "prepared.ndjson"


def prepare_dataset(spec: PrepareSpec, engine: Engine, stage: Stage) -> PrepareResult:
    """Raises `JobFailed`: `language_unknown`, `dataset_empty`, `input_invalid`."""
    engine.check_language(spec.language)
    context = stage.context
    entries = read_entries(context.fetch([UTTERANCES])[UTTERANCES])
    report = context.work_dir / PREPARED
    included, seconds, done = 0, 0.0, 0
    with (
        report.open("w", encoding="utf-8") as lines,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
    ):
        for lot in chunks(entries, AT_ONCE):
            stage.check_released()
            for verdict in _judge_lot(lot, spec, engine, stage, pool, lines):
                if verdict.status != "rejected":
                    included, seconds = included + 1, seconds + verdict.seconds
            done += len(lot)
            stage.progress(
                done / len(entries), None, f"Checking: {done} of {len(entries)} recordings"
            )
    context.keep([OutputFile(report, "utterances")])
    return PrepareResult(included, round(seconds, 2), len(entries) - included)


def _judge_lot(
    lot: Sequence[Mapping[str, Any]],
    spec: PrepareSpec,
    engine: Engine,
    stage: Stage,
    pool: ThreadPoolExecutor,
    lines: TextIO,
) -> list[Judged]:
    context = stage.context
    cached = {name: _cache_path(spec, stage, name) for name in _audio_names(lot, stage)}
    # One name a content: two threads at one recording would take its files from each other.
    wanted = {path: name for name, path in cached.items() if not _is_cached(path)}
    sources = context.fetch(list(wanted.values())) if wanted else {}

    def judge(name: str) -> None:
        _judge_into_cache(sources[name], cached[name], spec, engine)

    list(pool.map(judge, sources))
    verdicts, clips = [], []
    for entry in lot:
        path = cached.get(str(entry.get("audio")))
        verdict = _recall(path) if path else _without_audio()
        phonemes = _phonemes(str(entry["text"]), spec.language, engine, verdict)
        clip = f"{entry['id']}.wav" if verdict.status != "rejected" else None
        if clip and path:
            clips.append(
                OutputFile(_own_copy(path, context.work_dir / "clips" / clip), "clip", clip)
            )
        lines.write(_line(entry, verdict, clip, phonemes))
        verdicts.append(verdict)
    if clips:
        context.keep(clips)
    for done in (*sources.values(), *(clip.path for clip in clips)):
        done.unlink(missing_ok=True)
    return verdicts


def _audio_names(lot: Sequence[Mapping[str, Any]], stage: Stage) -> list[str]:
    names = (str(entry.get("audio")) for entry in lot)
    return sorted({name for name in names if name in stage.context.inputs})


def _cache_path(spec: PrepareSpec, stage: Stage, name: str) -> Path:
    content = stage.context.inputs[name].sha256
    key = hashlib.sha256(f"{VERSION}:{spec.sample_rate}:{content}".encode()).hexdigest()
    return stage.context.cache_dir / "clips" / key[:2] / f"{key}.wav"


def _is_cached(clip: Path) -> bool:
    """Whether a verdict lies there, and its clip if it has one: the cache may lose either."""
    return clip.with_suffix(".json").exists() and (
        clip.exists() or _recall(clip).status == "rejected"
    )


def _own_copy(cached: Path, own: Path) -> Path:
    """The clip in the job's own folder: only what lies there is uploaded."""
    own.parent.mkdir(parents=True, exist_ok=True)
    own.unlink(missing_ok=True)
    try:
        os.link(cached, own)
    except OSError:  # another file system
        shutil.copyfile(cached, own)
    return own


def _judge_into_cache(source: Path, clip: Path, spec: PrepareSpec, engine: Engine) -> None:
    clip.parent.mkdir(parents=True, exist_ok=True)
    partial = clip.with_suffix(f".{os.getpid()}.partial")
    verdict = judge_recording(
        source, partial, sample_rate=spec.sample_rate, speech_bounds=engine.speech_bounds
    )
    if verdict.status != "rejected":
        partial.replace(clip)
    # The verdict comes last: where it lies, the clip is whole.
    note = partial.with_suffix(".note")
    note.write_text(json.dumps(asdict(verdict)), encoding="utf-8")
    note.replace(clip.with_suffix(".json"))


def _recall(clip: Path) -> Judged:
    note = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
    return Judged(note["status"], note["seconds"], None, [Issue(**i) for i in note["issues"]])


def _without_audio() -> Judged:
    verdict = Judged()
    verdict.add(
        "rejected",
        Issue("audio_missing", "There is no recording for this text. Upload it, or remove it."),
    )
    return verdict


def _phonemes(text: str, language: str, engine: Engine, verdict: Judged) -> str:
    """The text as it will be spoken; an empty one rejects the utterance."""
    sentences = engine.phonemize(text.replace("\0", ""), language)
    phonemes = " ".join("".join(sentence) for sentence in sentences)
    if not any(character.isalpha() for character in phonemes):
        verdict.add(
            "rejected",
            Issue("text_empty", "There is nothing to say in its text. Write what is spoken."),
        )
    return phonemes


def _line(entry: Mapping[str, Any], verdict: Judged, clip: str | None, phonemes: str) -> str:
    return (
        json.dumps(
            {
                "id": entry["id"],
                "status": verdict.status,
                "seconds": round(verdict.seconds, 3),
                "clip": clip,
                "phonemes": phonemes,
                "issues": [asdict(issue) for issue in verdict.issues],
            },
            ensure_ascii=False,
        )
        + "\n"
    )
