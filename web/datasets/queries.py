"""What is read of datasets, and how the API shows it."""

from __future__ import annotations

import difflib
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from web.accounts.models import Team, User
from web.accounts.queries import find, visible
from web.core.problems import Invalid, NotFound
from web.datasets.languages import ALIASES, LANGUAGES
from web.datasets.models import (
    Dataset,
    DatasetVersion,
    SourceFile,
    Utterance,
    UtteranceStatus,
)

NAMES = dict(LANGUAGES)


def language_code(asked: str) -> str:
    """The espeak-ng voice that is meant. Raises `Invalid`, naming those that are near."""
    code = asked.strip().lower().replace("_", "-")
    code = ALIASES.get(code, code)
    if code in NAMES:
        return code
    near = difflib.get_close_matches(code, NAMES, n=3, cutoff=0.5)
    near += [each for each in NAMES if each.split("-")[0] == code.split("-")[0]]
    near += [each for each, name in LANGUAGES if code and code in name.lower()]
    unique = list(dict.fromkeys(near))[:5]
    words = ", ".join(f"'{each}' ({NAMES[each]})" for each in unique)
    advice = f"Did you mean {words}?" if words else "GET /languages lists those that there are."
    raise Invalid(f"espeak-ng has no voice called '{asked[:40]}'. {advice}", code="language")


def datasets(user: User) -> QuerySet[Dataset]:
    """All that the user may see, newest first, with `files` and `bytes`."""
    rows = Dataset.objects.select_related("team").annotate(
        files=Count("sources"), bytes=Sum("sources__size")
    )
    return visible(rows, user).order_by("-created", "pk")


def find_dataset(user: User, dataset_id: UUID) -> Dataset:
    return find(Dataset.objects.select_related("team"), user, dataset_id)


def find_utterance(dataset: Dataset, utterance_id: UUID) -> Utterance:
    row = dataset.utterances.select_related("source").filter(pk=utterance_id).first()
    if row is None:
        raise NotFound
    return row


def find_source(dataset: Dataset, source_id: UUID) -> SourceFile:
    row = dataset.sources.filter(pk=source_id).first()
    if row is None:
        raise NotFound
    return row


def lock_dataset(dataset_id: UUID) -> Dataset:
    """The dataset, locked to the end of the transaction, its team before it.

    Always in this order, which submissions keep too: they can't wait for each other in a ring.
    """
    team = Team.objects.select_for_update(no_key=True).filter(datasets=dataset_id).first()
    row = Dataset.objects.select_for_update(no_key=True).filter(pk=dataset_id).first()
    if team is None or row is None:
        raise NotFound
    row.team = team
    return row


def usable() -> Q:
    """Utterances that a training takes."""
    checked = [UtteranceStatus.OK, UtteranceStatus.FIXED, UtteranceStatus.LOOK]
    return Q(included=True, status__in=checked) & ~Q(clip_key="")


def utterances(
    dataset: Dataset,
    status: str | None = None,
    included: bool | None = None,
    issue: str | None = None,
    search: str | None = None,
) -> QuerySet[Utterance]:
    """In the order of the transcripts; `issue` is a code, `search` a part of name or text."""
    rows = dataset.utterances.order_by("position", "pk")
    if status:
        rows = rows.filter(status=status)
    if included is not None:
        wanted = Q(included=True) & ~Q(status=UtteranceStatus.REJECTED)
        rows = rows.filter(wanted if included else ~wanted)
    if issue:
        rows = rows.filter(issues__contains=[{"code": issue}])
    return matching(rows, search or "")


def matching(rows: QuerySet[Utterance], search: str) -> QuerySet[Utterance]:
    """Those whose name or text holds `search`; Postgres knows no NUL."""
    search = search.replace("\x00", "").strip()
    if not search:
        return rows
    return rows.filter(Q(text__icontains=search) | Q(name__icontains=search))


def dataset_out(row: Dataset) -> dict[str, Any]:
    report = {"utterances": 0, "minutes": 0.0, "rejected": [], "warnings": [], **row.report}
    files, size = getattr(row, "files", None), getattr(row, "bytes", None)
    if files is None:
        found = row.sources.aggregate(files=Count("pk"), bytes=Sum("size"))
        files, size = found["files"], found["bytes"]
    return {
        "id": row.pk,
        "name": row.name,
        "language": row.language,
        "language_name": NAMES.get(row.language, row.language),
        "team": row.team.name,
        "state": row.state,
        "error": row.error,
        "report": report,
        "files": files,
        "bytes": size or 0,
        "created": row.created,
        "changed": row.changed,
    }


def source_out(row: SourceFile) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "kind": row.kind,
        "format": row.format,
        "bytes": row.size,
        "sha256": row.sha256,
        "uploaded": row.uploaded,
    }


def utterance_out(row: Utterance) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "text": row.text,
        "text_edited": row.text_edited,
        "seconds": row.seconds,
        "included": row.included and row.status != UtteranceStatus.REJECTED,
        "status": row.status,
        "issues": row.issues,
        "phonemes": row.phonemes,
        "has_audio": bool(row.clip_key or row.source_id),
    }


def version_out(row: DatasetVersion) -> dict[str, Any]:
    return {
        "id": row.pk,
        "number": row.number,
        "sha256": row.sha256,
        "utterances": row.utterances,
        "seconds": row.seconds,
        "created": row.created,
    }
