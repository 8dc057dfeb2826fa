"""Utterances from transcripts and recordings: what a check will read, and what it can't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from web.core import storage
from web.core.problems import Invalid
from web.datasets.bulk import write_utterances
from web.datasets.clips import forget_clips
from web.datasets.matching import Recordings
from web.datasets.metadata import Fault, Transcript, parse
from web.datasets.models import Dataset, SourceFile, SourceKind, Utterance, UtteranceStatus
from web.datasets.sniff import AUDIO_EXTENSIONS
from web.datasets.uploads import METADATA_BYTES

NAMED = 20
"""Rejected entries that an error names; the report names all."""


@dataclass
class BuildReport:
    """What there is to check, and what of the files and rows was left out and why."""

    utterances: int
    rejected: list[dict[str, str]]
    warnings: list[str]


@dataclass
class _Planned:
    name: str
    text: str
    source: SourceFile | None
    fault: Fault | None = None


@dataclass
class _Plan:
    rows: list[_Planned] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Of rows that become no utterance."""
    warnings: list[str] = field(default_factory=list)


def build_utterances(dataset: Dataset) -> BuildReport:
    """Bring the utterances in line with the files; corrections and choices are kept.

    Call it in the transaction that submits the check, the dataset's row locked.
    Raises `Invalid` with the code `dataset_empty`, `no_audio` or `no_metadata`.
    """
    sources = list(dataset.sources.all())
    recordings = [source for source in sources if source.kind == SourceKind.AUDIO]
    tables = [source for source in sources if source.kind == SourceKind.METADATA]
    if not sources:
        raise Invalid(
            "There is nothing here to check yet. Upload recordings, and a metadata.csv that says "
            "what is spoken in each.",
            code="dataset_empty",
        )
    present = list(dataset.utterances.order_by("position"))
    written = any(row.text_edited and row.text for row in present)
    if not tables and not written:
        raise Invalid(
            "The texts are missing. Upload a metadata.csv with one line a recording: its name, "
            "a bar, and what is spoken, such as '0001|Good morning.'.",
            code="no_metadata",
        )
    if not recordings:
        raise Invalid(
            "There are texts and no recordings. Upload the audio files that the rows of "
            f"{tables[0].name} name."
            if tables
            else "There are no recordings. Upload audio files.",
            code="no_audio",
        )
    transcripts = [(table.name, _read(table)) for table in tables]
    if tables and not any(read.rows or read.faults or written for _, read in transcripts):
        raise Invalid(
            f"{tables[0].name} has no rows. Write one line a recording: its name, a bar, and what "
            "is spoken, such as '0001|Good morning.'.",
            code="no_metadata",
        )
    plan = _plan(recordings, transcripts)
    usable = _sync(dataset, present, plan)
    rejected = [fault.entry() for fault in plan.faults]
    rejected += [row.fault.entry() for row in plan.rows if row.fault]
    if not usable:
        raise Invalid(_nothing_usable(rejected), code="nothing_usable", rejected=rejected[:NAMED])
    dataset.report = {
        "utterances": 0,
        "minutes": 0.0,
        "rejected": rejected,
        "warnings": plan.warnings,
    }
    dataset.save(update_fields=["report", "changed"])
    return BuildReport(usable, rejected, plan.warnings)


def prepare_inputs(dataset: Dataset) -> tuple[list[dict[str, str]], dict[str, SourceFile]]:
    """What the agent reads: rows {id, name, text, audio}, and the recording of each `audio`."""
    rows: list[dict[str, str]] = []
    inputs: dict[str, SourceFile] = {}
    waiting = dataset.utterances.filter(status=UtteranceStatus.NEW, source__isnull=False)
    for row in waiting.select_related("source").order_by("position"):
        source = row.source
        assert source is not None
        suffix = PurePosixPath(source.name).suffix.lower()
        audio = f"audio/{source.pk}{suffix if suffix in AUDIO_EXTENSIONS else ''}"
        inputs[audio] = source
        rows.append({"id": str(row.pk), "name": row.name, "text": row.text, "audio": audio})
    return rows, inputs


def _read(table: SourceFile) -> Transcript:
    try:
        return parse(storage.read_all(table.key, METADATA_BYTES), table.name)
    except ValueError:
        gone = f"{table.name} can't be read from the object storage any more. Upload it again."
        return Transcript(faults=[Fault(table.name, "missing_file", gone)])


def _plan(recordings: list[SourceFile], tables: Iterable[tuple[str, Transcript]]) -> _Plan:
    plan = _Plan()
    lookup = Recordings((source.name, source) for source in recordings)
    by_source: dict[UUID, _Planned] = {}
    by_name: dict[str, _Planned] = {}
    origin: dict[str, str] = {}
    repeated: Counter[str] = Counter()
    for table, transcript in tables:
        plan.faults += transcript.faults
        plan.warnings += transcript.warnings
        if not transcript.rows and not transcript.faults:
            plan.faults.append(Fault(table, "empty_metadata", f"{table} has no rows."))
        for row in transcript.rows:
            found = lookup.find(row.id)
            source = found[0] if len(found) == 1 else None
            earlier = by_source.get(source.pk) if source else by_name.get(row.id)
            if earlier is not None:
                if earlier.text == row.text and origin[earlier.name] != table:
                    repeated[table] += 1
                else:
                    plan.faults.append(_duplicate(table, row.line, row.id, earlier, origin))
                continue
            planned = _Planned(row.id, row.text, source)
            planned.fault = None if source else _unmatched(table, row.line, row.id, found)
            if row.id in by_name:
                # Rows of two tables with one id and different recordings: name the file.
                planned.name = source.name if source else f"{table}: {row.id}"[:255]
            by_name[row.id] = planned
            if source:
                by_source[source.pk] = planned
            origin[planned.name] = table
            plan.rows.append(planned)
    plan.warnings += [
        f"{count} rows of {table} repeat another file's word for word and were taken once."
        for table, count in repeated.items()
    ]
    _plan_leftovers(plan, [source for source in recordings if source.pk not in by_source])
    return plan


def _plan_leftovers(plan: _Plan, recordings: list[SourceFile]) -> None:
    """Recordings that no row names."""
    taken = {row.name for row in plan.rows}
    for source in recordings:
        reason = (
            "No row of the transcripts names this recording. Add one, or write its text in the "
            "review."
        )
        # A row without recording may bear the very name of a file that is ambiguous.
        name = source.name if source.name not in taken else f"{source.name} ({source.pk})"[-255:]
        fault = Fault(source.name, "no_transcript", reason)
        plan.rows.append(_Planned(name, "", source, fault))


def _duplicate(
    table: str, line: int, row_id: str, earlier: _Planned, origin: dict[str, str]
) -> Fault:
    return Fault(
        row_id,
        "duplicate_id",
        f"{table}, line {line}: this recording has a row already ('{earlier.name}' in "
        f"{origin[earlier.name]}), which was taken. Remove one of the two.",
    )


def _unmatched(table: str, line: int, row_id: str, found: list[SourceFile]) -> Fault:
    if found:
        some = " and ".join(source.name for source in found[:2])
        return Fault(
            row_id,
            "ambiguous",
            f"{table}, line {line}: several recordings fit the id ({some}). Write the id with "
            "folder and extension.",
        )
    return Fault(
        row_id,
        "missing_audio",
        f"{table}, line {line}: there is no recording of this name. Upload it, or remove the row.",
    )


def _sync(dataset: Dataset, present: list[Utterance], plan: _Plan) -> int:
    """Write the plan; returns how many utterances can be checked."""
    by_source = {row.source_id: row for row in present if row.source_id}
    by_name = {row.name: row for row in present}
    fresh: list[Utterance] = []
    kept: dict[UUID, Utterance] = {}
    usable = 0
    for position, planned in enumerate(plan.rows):
        row = by_source.get(planned.source.pk) if planned.source else None
        row = row or by_name.get(planned.name)
        if row is None or row.pk in kept:
            row = Utterance(dataset=dataset)
            fresh.append(row)
        else:
            kept[row.pk] = row
        if row.text_edited and row.text and planned.fault and planned.source:
            planned.fault = None  # its text was written in the review
        if not row.text_edited:
            row.text = planned.text
        row.position, row.name, row.source = position, planned.name, planned.source
        fault = planned.fault
        row.status = UtteranceStatus.REJECTED if fault else UtteranceStatus.NEW
        row.issues = [_issue(fault)] if fault else []
        usable += not fault
    gone = [row for row in present if row.pk not in kept]
    clips = {row.clip_key: row.clip_size for row in gone if row.clip_key}
    Utterance.objects.filter(pk__in=[row.pk for row in gone]).delete()
    forget_clips(dataset.team, clips)
    fields = ["position", "name", "text", "source", "status", "issues"]
    write_utterances([*kept.values(), *fresh], fields)
    return usable


def _issue(fault: Fault) -> dict[str, Any]:
    return {"code": fault.code, "value": None, "limit": None, "advice": fault.reason}


def _nothing_usable(rejected: list[dict[str, str]]) -> str:
    first = rejected[0]
    more = f" ({len(rejected) - 1} more were not taken either.)" if len(rejected) > 1 else ""
    # Some names are places in the transcripts, which the reason says too.
    name = "" if first["reason"].startswith(first["name"]) else f"{first['name']}: "
    return (
        "No recording has a text that fits, so there is nothing to check. "
        f"{name}{first['reason']}{more}"
    )
