"""What the pages of datasets show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value, When
from django.utils.translation import ngettext

from web.accounts.models import User
from web.accounts.queries import visible
from web.datasets.models import (
    Dataset,
    DatasetState,
    SourceFile,
    SourceKind,
    Utterance,
    UtteranceStatus,
)
from web.datasets.queries import NAMES, matching, usable

CHECKED = (UtteranceStatus.OK, UtteranceStatus.FIXED, UtteranceStatus.LOOK)
IN_USE = Q(utterances__included=True, utterances__status__in=CHECKED)
TRY_OUT_SECONDS = 5 * 60
# Below this a fine-tune keeps much of the base voice.
ADVISED_SECONDS = 15 * 60
FILTERS = {
    "all": "All",
    "look": "Needs a look",
    "fixed": "Mended",
    "rejected": "Not usable",
    "out": "Left out",
}


def duration_words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def language_name(code: str) -> str:
    return NAMES.get(code, code)


def dataset_rows(user: User) -> QuerySet[Dataset]:
    """Datasets with `clips`, `seconds` in use and `looks` (how many need a look)."""
    return visible(
        Dataset.objects.select_related("team").annotate(
            clips=Count("utterances", filter=IN_USE),
            seconds=Sum("utterances__seconds", filter=IN_USE),
            looks=Count("utterances", filter=Q(utterances__status=UtteranceStatus.LOOK) & IN_USE),
            has_files=Exists(SourceFile.objects.filter(dataset=OuterRef("pk"))),
        ),
        user,
    )


@dataclass(frozen=True)
class Summary:
    """Figures of one dataset; seconds of speech, bytes of files."""

    clips: int
    seconds: float
    looks: int
    rejected: int
    left_out: int
    recordings: int
    files: int
    size: int
    has_texts: bool

    @property
    def minutes(self) -> float:
        return self.seconds / 60


def summary(dataset: Dataset) -> Summary:
    rejected = Q(status=UtteranceStatus.REJECTED)
    in_use = usable()
    found = dataset.utterances.aggregate(
        clips=Count("pk", filter=in_use),
        seconds=Sum("seconds", filter=in_use),
        looks=Count("pk", filter=in_use & Q(status=UtteranceStatus.LOOK)),
        rejected=Count("pk", filter=rejected),
        left_out=Count("pk", filter=Q(included=False) & ~rejected),
        written=Count("pk", filter=Q(text_edited=True)),
    )
    stored = dataset.sources.aggregate(
        files=Count("pk"),
        size=Sum("size"),
        recordings=Count("pk", filter=Q(kind=SourceKind.AUDIO)),
        texts=Count("pk", filter=Q(kind=SourceKind.METADATA)),
    )
    return Summary(
        clips=found["clips"],
        seconds=found["seconds"] or 0.0,
        looks=found["looks"],
        rejected=found["rejected"],
        left_out=found["left_out"],
        recordings=stored["recordings"],
        files=stored["files"],
        size=stored["size"] or 0,
        has_texts=stored["texts"] > 0 or found["written"] > 0,
    )


@dataclass(frozen=True)
class NextStep:
    """What a person should do now: `action` is upload, check, wait, review or train."""

    action: str
    sentence: str


def next_step(dataset: Dataset, figures: Summary) -> NextStep:
    """One line that says what blocks training, or that nothing does."""
    if dataset.state == DatasetState.PREPARING:
        return NextStep("wait", "The recordings are being checked. You can go on reviewing.")
    if dataset.state == DatasetState.READY and figures.clips:
        return NextStep("train", "Nothing stands in the way of training.")
    if dataset.state == DatasetState.READY:
        return NextStep(
            "upload", "No recording can be used. Add others, or take left-out ones back in."
        )
    if figures.recordings == 0:
        return NextStep("upload", "Add recordings, and a metadata.csv that says what is spoken.")
    if not figures.has_texts:
        return NextStep(
            "upload", "The texts are missing: add a metadata.csv that says what is spoken."
        )
    if dataset.state == DatasetState.FAILED:
        return NextStep("check", dataset.error or "The last check failed. Start it again.")
    return NextStep(
        "check", "Have the recordings checked: it takes a moment, and says what to mend."
    )


def advice(figures: Summary) -> list[str]:
    """What in the data may disappoint, though it doesn't block."""
    found = []
    if figures.clips and figures.seconds < TRY_OUT_SECONDS:
        found.append(
            f"{duration_words(figures.seconds)} of speech are enough to try everything out, and "
            "the voice will mostly sound like the base voice. From 15 minutes on it sounds like "
            "the speaker; an hour is better."
        )
    elif figures.clips and figures.seconds < ADVISED_SECONDS:
        found.append(
            f"{duration_words(figures.seconds)} of speech give a rough likeness. From 15 minutes "
            "on a fine-tune sounds like the speaker; an hour is better."
        )
    if figures.looks:
        found.append(
            ngettext(
                "%d recording needs a look: its text or its sound may be wrong.",
                "%d recordings need a look: their text or their sound may be wrong.",
                figures.looks,
            )
            % figures.looks
        )
    return found


def utterances(dataset: Dataset, which: str, search: str) -> QuerySet[Utterance]:
    """For review: those that need a look first, otherwise in their own order."""
    rows = dataset.utterances.all()
    if which in {"look", "fixed", "rejected"}:
        rows = rows.filter(status=which)
    if which == "out":
        rows = rows.filter(included=False).exclude(status=UtteranceStatus.REJECTED)
    rows = matching(rows, search)
    first = Case(When(status=UtteranceStatus.LOOK, then=Value(0)), default=Value(1))
    return rows.order_by(first, F("position"))


def report_groups(dataset: Dataset) -> list[dict[str, Any]]:
    """What was not taken, grouped by reason: [{reason, code, names}], most frequent first."""
    groups: dict[str, dict[str, Any]] = {}
    for fault in dataset.report.get("rejected", []):
        reason = fault.get("reason") or fault.get("code", "")
        group = groups.setdefault(
            fault.get("code") or reason, {"reason": reason, "names": [], "same": True}
        )
        group["names"].append({"name": fault.get("name", ""), "reason": reason})
        group["same"] = group["same"] and reason == group["reason"]
    return sorted(groups.values(), key=lambda group: -len(group["names"]))
