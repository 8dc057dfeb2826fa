"""What a check brings back: verdicts and clips into utterances, and the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from web.accounts.actions import charge_storage
from web.core import audit
from web.core.events import announce
from web.core.problems import Conflict
from web.core.storage import StoredObject
from web.datasets.bulk import write_utterances
from web.datasets.clips import NO_CLIP, forget_clips
from web.datasets.models import Dataset, DatasetState, Utterance, UtteranceStatus
from web.datasets.queries import lock_dataset, usable

LOOK_ADVICE = 5
VERDICTS = {
    UtteranceStatus.OK,
    UtteranceStatus.FIXED,
    UtteranceStatus.LOOK,
    UtteranceStatus.REJECTED,
}

log = structlog.get_logger(__name__)


def mark_preparing(dataset: Dataset) -> None:
    """From here on the files are fixed until the check ends. Raises `Conflict`."""
    changed = Dataset.objects.filter(pk=dataset.pk).exclude(state=DatasetState.PREPARING)
    if not changed.update(state=DatasetState.PREPARING, error="", changed=timezone.now()):
        raise Conflict("This dataset is being checked already.", code="preparing")
    dataset.state = DatasetState.PREPARING
    announce(f"dataset:{dataset.pk}")


def mark_prepare_failed(dataset: Dataset, message: str) -> None:
    """The check ended without a result; `message` says why and what to do."""
    running = Dataset.objects.filter(pk=dataset.pk, state=DatasetState.PREPARING)
    if running.update(state=DatasetState.FAILED, error=message, changed=timezone.now()):
        announce(f"dataset:{dataset.pk}")


@transaction.atomic
def apply_prepared(
    dataset: Dataset, rows: Iterable[Mapping[str, Any]], clips: Mapping[str, StoredObject]
) -> None:
    """Store the rows of `prepared.ndjson`; `clips` holds the agent's objects by name.

    Charges the clips to the team's storage and frees those that they replace. A check that
    nobody waits for any more changes nothing; its clips go.
    """
    locked = lock_dataset(dataset.pk)
    team = locked.team
    sizes = {clip.key: clip.size for clip in clips.values()}
    charge_storage(team, sum(sizes.values()))
    if locked.state != DatasetState.PREPARING:
        log.warning("a check ended that nobody waits for", dataset=str(dataset.pk))
        forget_clips(team, sizes)
        return
    waiting = {str(row.pk): row for row in locked.utterances.filter(status=UtteranceStatus.NEW)}
    for row in waiting.values():
        if row.clip_key:
            sizes[row.clip_key] = row.clip_size
    unheard = set(waiting)
    for verdict in rows:
        utterance = waiting.get(str(verdict.get("id")))
        if utterance is not None:
            _judge(utterance, verdict, clips)
            unheard.discard(str(utterance.pk))
    for pk in unheard:
        _reject(waiting[pk], "not_checked", "The check left it out. Start the check again.")
    fields = ["status", "issues", "seconds", "phonemes", *NO_CLIP]
    write_utterances(waiting.values(), fields)
    forget_clips(team, sizes)  # all that no utterance names now
    _report(locked, list(waiting.values()))
    announce(f"dataset:{dataset.pk}")


def _judge(row: Utterance, verdict: Mapping[str, Any], clips: Mapping[str, StoredObject]) -> None:
    status = verdict.get("status")
    clip = clips.get(str(verdict.get("clip") or ""))
    issues = [_issue(each) for each in verdict.get("issues") or () if isinstance(each, dict)]
    if status not in VERDICTS or (clip is None and status != UtteranceStatus.REJECTED):
        _reject(row, "no_clip", "The check returned no recording for it. Start the check again.")
        return
    row.status = UtteranceStatus(status)
    row.issues = issues
    row.seconds = float(verdict.get("seconds") or 0.0)
    row.phonemes = str(verdict.get("phonemes") or "").replace("\x00", "")
    if clip is None or row.status == UtteranceStatus.REJECTED:
        row.clip_key, row.clip_sha256, row.clip_size = "", "", 0
    else:
        row.clip_key, row.clip_sha256, row.clip_size = clip.key, clip.sha256, clip.size


def _reject(row: Utterance, code: str, advice: str) -> None:
    row.status = UtteranceStatus.REJECTED
    row.issues = [_issue({"code": code, "advice": advice})]
    row.phonemes, row.clip_key, row.clip_sha256, row.clip_size = "", "", "", 0


def _issue(issue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": str(issue.get("code") or "unknown")[:60],
        "value": issue.get("value"),
        "limit": issue.get("limit"),
        "advice": str(issue.get("advice") or "").replace("\x00", ""),
    }


def _report(dataset: Dataset, checked: list[Utterance]) -> None:
    figures = _included(dataset.utterances.all())
    rejected = list(dataset.report.get("rejected", []))  # of the transcripts, by build_utterances
    rejected += [
        {"name": row.name, "code": row.issues[0]["code"], "reason": _reason(row.issues)}
        for row in sorted(checked, key=lambda row: row.position)
        if row.status == UtteranceStatus.REJECTED
    ]
    dataset.report = {
        **figures,
        "rejected": rejected,
        "warnings": [*dataset.report.get("warnings", []), *_warnings(checked)],
    }
    if figures["utterances"]:
        dataset.state, dataset.error = DatasetState.READY, ""
    else:
        dataset.state = DatasetState.FAILED
        dataset.error = "None of the recordings can be used: " + (
            rejected[0]["reason"] if rejected else "all are left out. Take some back in."
        )
    dataset.save(update_fields=["report", "state", "error", "changed"])
    audit.record(None, "check_dataset", dataset, **figures, rejected=len(rejected))


def refresh_figures(dataset_id: UUID) -> None:
    """Count the report's utterances and minutes anew after a choice of a person."""
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset_id)
        dataset.report = {
            "rejected": [],
            "warnings": [],
            **dataset.report,
            **_included(dataset.utterances.all()),
        }
        dataset.save(update_fields=["report", "changed"])


def _included(rows: QuerySet[Utterance]) -> dict[str, Any]:
    found = rows.filter(usable()).aggregate(count=Count("pk"), seconds=Sum("seconds"))
    return {
        "utterances": found["count"],
        "minutes": round((found["seconds"] or 0.0) / 60, 2),
    }


def _reason(issues: list[dict[str, Any]]) -> str:
    """The advice of the issues, with what was measured and the limit."""
    sentences = []
    for issue in issues:
        sentence = issue["advice"] or issue["code"]
        if issue["value"] is not None and issue["limit"] is not None:
            sentence += f" (Measured {issue['value']}, limit {issue['limit']}.)"
        sentences.append(sentence)
    return " ".join(sentences) or "The check gave no reason."


def _warnings(checked: list[Utterance]) -> list[str]:
    """One line for each issue that needs a look, the most frequent first."""
    advice: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for row in checked:
        if row.status == UtteranceStatus.LOOK:
            for issue in row.issues:
                names.setdefault(issue["code"], []).append(row.name)
                advice.setdefault(issue["code"], issue["advice"])
    lines = []
    for code in sorted(names, key=lambda code: -len(names[code])):
        some = ", ".join(names[code][:LOOK_ADVICE])
        more = len(names[code]) - LOOK_ADVICE
        tail = f" and {more} more" if more > 0 else ""
        lines.append(f"{advice[code] or code} ({some}{tail})")
    return lines
