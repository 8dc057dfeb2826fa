"""The verdicts of a check become utterances, clips and a report."""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from tests.web.datasets.checks import (
    StoredClip,
    check,
    fill,
    issue,
    rejected,
    start,
)
from web.accounts.models import Team, User
from web.datasets.actions import (
    apply_prepared,
    edit_utterance,
    freeze_version,
    mark_prepare_failed,
)
from web.datasets.models import Dataset

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3")]

SILENT = {
    "status": "rejected",
    "seconds": 1.5,
    "issues": [issue("silent", "There is nothing to hear.", -80.0, -50.0)],
}


def used(team: Team) -> int:
    team.refresh_from_db()
    return team.storage_used_bytes


def test_the_report_says_what_was_taken_and_what_not(dataset: Dataset, alpha: Team) -> None:
    fill(dataset, "a|One.\nb|Two.\nc|Three.\nlost|L.\n", "a.wav", "b.wav", "c.wav", "orphan.wav")
    clipped = issue("clipping", "Record it again with less gain.", 0.01, 0.001)
    check(dataset, {"b": SILENT, "c": {"status": "look", "seconds": 4.0, "issues": [clipped]}})
    assert (dataset.state, dataset.error) == ("ready", "")
    report = dataset.report
    assert (report["utterances"], report["minutes"]) == (2, 0.1)
    assert rejected(dataset) == {
        "lost": "missing_audio",
        "orphan.wav": "no_transcript",
        "b": "silent",
    }
    reasons = {entry["name"]: entry["reason"] for entry in report["rejected"]}
    assert reasons["b"] == "There is nothing to hear. (Measured -80.0, limit -50.0.)"
    assert report["warnings"] == ["Record it again with less gain. (c)"]
    row = dataset.utterances.get(name="a")
    assert (row.status, row.seconds, row.phonemes, row.clip_size) == ("ok", 2.0, "həloʊ", 1000)
    assert dataset.utterances.get(name="b").clip_key == ""
    assert used(alpha) == 2000  # the clips of a and c


def test_when_nothing_is_usable_the_check_has_failed(dataset: Dataset) -> None:
    fill(dataset, "a|One.\n", "a.wav")
    check(dataset, {"a": SILENT})
    assert dataset.state == "failed"
    assert "nothing to hear" in dataset.error
    assert dataset.report["utterances"] == 0


@pytest.mark.django_db(transaction=True)
def test_checking_again_replaces_the_clips(dataset: Dataset, alpha: Team, s3: ModuleType) -> None:
    fill(dataset, "a|One.\n", "a.wav")
    check(dataset)
    first = dataset.utterances.get().clip_key
    s3.put(first, io.BytesIO(b"clip"), 4)
    check(dataset)
    assert dataset.utterances.get().clip_key != first
    assert s3.size(first) is None
    assert used(alpha) == 1000


@pytest.mark.django_db(transaction=True)
def test_a_clip_that_a_version_names_stays(dataset: Dataset, alpha: Team, s3: ModuleType) -> None:
    fill(dataset, "a|One.\n", "a.wav")
    check(dataset)
    first = dataset.utterances.get().clip_key
    s3.put(first, io.BytesIO(b"clip"), 4)
    freeze_version(dataset)
    check(dataset)
    assert s3.size(first) == 4
    assert used(alpha) == 2000


def test_what_the_agent_garbles_is_rejected_with_a_reason(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\nc|Three.\n", "a.wav", "b.wav", "c.wav")
    ids = {row["name"]: row["id"] for row in start(dataset)}
    rows: list[dict[str, Any]] = [
        {"id": str(uuid4()), "status": "ok", "clip": "x.wav"},
        {"id": None},
        {"id": ids["a"], "status": "ok", "seconds": 1, "clip": "unknown.wav", "phonemes": "x"},
        {"id": ids["b"], "status": "ok", "seconds": 3.0, "clip": "b.wav", "issues": None},
    ]
    apply_prepared(dataset, rows, {"b.wav": StoredClip("k", "s", 10)})
    dataset.refresh_from_db()
    assert rejected(dataset) == {"a": "no_clip", "c": "not_checked"}
    assert dataset.report["utterances"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_check_that_nobody_waits_for_changes_nothing(
    dataset: Dataset, alpha: Team, s3: ModuleType
) -> None:
    fill(dataset, "a|One.\n", "a.wav")
    rows = start(dataset)
    mark_prepare_failed(dataset, "It was cancelled.")
    s3.put("late.wav", io.BytesIO(b"clip"), 4)
    late = {"id": rows[0]["id"], "status": "ok", "clip": "late.wav", "seconds": 1.0}
    apply_prepared(dataset, [late], {"late.wav": StoredClip("late.wav", "s", 4)})
    dataset.refresh_from_db()
    assert (dataset.state, dataset.error) == ("failed", "It was cancelled.")
    assert s3.size("late.wav") is None
    assert used(alpha) == 0


def test_a_failed_check_can_be_started_again(dataset: Dataset) -> None:
    fill(dataset, "a|One.\n", "a.wav")
    start(dataset)
    mark_prepare_failed(dataset, "The host went away.")
    dataset.refresh_from_db()
    assert (dataset.state, dataset.error) == ("failed", "The host went away.")
    check(dataset)
    assert dataset.state == "ready"
    mark_prepare_failed(dataset, "Too late.")
    dataset.refresh_from_db()
    assert dataset.state == "ready"


def test_a_choice_stays_over_a_check(dataset: Dataset, alice: User) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "a.wav", "b.wav")
    check(dataset)
    edit_utterance(alice, dataset.utterances.get(name="a"), included=False)
    check(dataset)
    assert dataset.report["utterances"] == 1
    assert not dataset.utterances.get(name="a").included
