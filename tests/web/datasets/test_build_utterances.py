"""Utterances follow the files; what does not fit is named, what people wrote is kept."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.web.datasets.checks import StoredClip, add_source, check, fill, rejected, start
from web.core.problems import Conflict, Invalid
from web.datasets.actions import (
    apply_prepared,
    build_utterances,
    freeze_version,
    mark_preparing,
    prepare_inputs,
)
from web.datasets.models import Dataset, DatasetState, SourceFile, SourceKind

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("s3")]


def table(dataset: Dataset) -> list[tuple[str, str, str]]:
    return list(dataset.utterances.order_by("position").values_list("name", "text", "status"))


def test_rows_and_recordings_become_utterances(dataset: Dataset) -> None:
    fill(dataset, "0001|One.\n0002.wav|Two.\n", "wavs/0001.wav", "wavs/0002.wav")
    report = build_utterances(dataset)
    assert (report.utterances, report.rejected, report.warnings) == (2, [], [])
    assert table(dataset) == [("0001", "One.", "new"), ("0002.wav", "Two.", "new")]


def test_the_agent_gets_rows_and_recordings(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nmissing|Two.\n", "a.MP3", "orphan.wav")
    build_utterances(dataset)
    rows, inputs = prepare_inputs(dataset)
    source = dataset.sources.get(name="a.MP3")
    audio = f"audio/{source.pk}.mp3"
    utterance = dataset.utterances.get(name="a")
    assert rows == [{"id": str(utterance.pk), "name": "a", "text": "One.", "audio": audio}]
    assert inputs == {audio: source}


def test_what_does_not_fit_is_named_and_the_rest_goes_on(dataset: Dataset) -> None:
    metadata = "good|Good.\nlost|Lost.\ngood|Again.\ntwin|Twin.\nempty|\nx|y|z|w\ngood.wav|More.\n"
    fill(dataset, metadata, "good.wav", "orphan.wav", "a/twin.wav", "b/twin.wav")
    report = build_utterances(dataset)
    assert report.utterances == 1
    found = [(entry["name"], entry["code"]) for entry in report.rejected]
    assert sorted(found) == [
        ("a/twin.wav", "no_transcript"),
        ("b/twin.wav", "no_transcript"),
        ("empty", "no_text"),
        ("good", "duplicate_id"),
        ("good.wav", "duplicate_id"),
        ("lost", "missing_audio"),
        ("orphan.wav", "no_transcript"),
        ("twin", "ambiguous"),
        ("x", "columns"),
    ]
    assert all(entry["reason"].endswith(".") for entry in report.rejected)
    statuses = {name: status for name, _, status in table(dataset)}
    assert (statuses["good"], statuses["lost"], statuses["orphan.wav"]) == (
        "new",
        "rejected",
        "rejected",
    )


def test_nothing_uploaded(dataset: Dataset) -> None:
    with pytest.raises(Invalid, match="Upload recordings") as refused:
        build_utterances(dataset)
    assert refused.value.code == "dataset_empty"


def test_recordings_without_any_text(dataset: Dataset) -> None:
    add_source(dataset, "a.wav", b"RIFF", store=False)
    with pytest.raises(Invalid, match=r"Upload a metadata\.csv") as refused:
        build_utterances(dataset)
    assert refused.value.code == "no_metadata"


@pytest.mark.parametrize("empty", [b"\n \r\n", b"\xef\xbb\xbf", b"id|text\n"])
def test_transcripts_without_rows(dataset: Dataset, empty: bytes) -> None:
    fill(dataset, empty, "a.wav")
    with pytest.raises(Invalid, match=r"metadata\.csv has no rows") as refused:
        build_utterances(dataset)
    assert refused.value.code == "no_metadata"


def test_texts_without_any_recording(dataset: Dataset) -> None:
    fill(dataset, "a|One.\n")
    with pytest.raises(Invalid, match="no recordings") as refused:
        build_utterances(dataset)
    assert refused.value.code == "no_audio"


def test_when_no_row_fits_the_first_reason_is_said(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "c.wav")
    with pytest.raises(Invalid, match=r"a: metadata\.csv, line 1: there is no") as refused:
        build_utterances(dataset)
    assert refused.value.code == "nothing_usable"
    assert len(refused.value.extra["rejected"]) == 3


def test_several_files_of_transcripts(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "a.wav", "b.wav", "c.wav")
    add_source(dataset, "more.csv", b"c|Three.\nb|Two.\na|Other.\n")
    report = build_utterances(dataset)
    assert report.utterances == 3
    assert [(entry["name"], entry["code"]) for entry in report.rejected] == [("a", "duplicate_id")]
    assert report.warnings == [
        "1 rows of more.csv repeat another file's word for word and were taken once."
    ]


def test_one_id_in_two_files_for_two_recordings(dataset: Dataset) -> None:
    fill(dataset, "a|One.\n", "a.wav", "x/b.wav")
    add_source(dataset, "more.csv", b"x/b|Two.\nlost|L.\nlost|L2.\n")
    assert build_utterances(dataset).utterances == 2


def test_latin_1_and_damage_are_reported(dataset: Dataset) -> None:
    fill(dataset, "a|Grüße.\n".encode("latin-1") + b"b|T\x00wo.\n", "a.wav", "b.wav")
    report = build_utterances(dataset)
    assert "Latin-1" in report.warnings[0]
    assert report.rejected[0]["code"] == "nul"
    assert dataset.utterances.get(name="a").text == "Grüße."


def test_corrections_and_choices_survive_new_transcripts(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "a.wav", "b.wav")
    build_utterances(dataset)
    dataset.utterances.filter(name="a").update(text="Won.", text_edited=True, included=False)
    ids = set(dataset.utterances.values_list("pk", flat=True))
    dataset.sources.get(name="metadata.csv").delete()
    add_source(dataset, "metadata.csv", b"b.wav|Deux.\na.wav|Un.\n")
    build_utterances(dataset)
    assert table(dataset) == [("b.wav", "Deux.", "new"), ("a.wav", "Won.", "new")]
    assert not dataset.utterances.get(name="a.wav").included
    assert set(dataset.utterances.values_list("pk", flat=True)) == ids


def test_names_may_swap_their_recordings(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "x/a.wav", "x/b.wav")
    build_utterances(dataset)
    one, two = dataset.sources.get(name="x/a.wav"), dataset.sources.get(name="x/b.wav")
    SourceFile.objects.filter(pk=one.pk).update(name="tmp")
    SourceFile.objects.filter(pk=two.pk).update(name="x/a.wav")
    SourceFile.objects.filter(pk=one.pk).update(name="x/b.wav")
    build_utterances(dataset)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert dataset.utterances.get(name="a").source_id == two.pk


def test_a_recording_that_comes_again_finds_its_utterance(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "a.wav", "b.wav")
    build_utterances(dataset)
    dataset.utterances.filter(name="a").update(text="Won.", text_edited=True)
    dataset.sources.get(name="a.wav").delete()
    build_utterances(dataset)
    assert dataset.utterances.get(name="a").issues[0]["code"] == "missing_audio"
    add_source(dataset, "a.wav", b"RIFF", store=False)
    build_utterances(dataset)
    assert table(dataset)[0] == ("a", "Won.", "new")


def test_a_text_written_in_the_review_needs_no_row(dataset: Dataset) -> None:
    fill(dataset, "a|One.\n", "a.wav", "orphan.wav")
    build_utterances(dataset)
    dataset.utterances.filter(name="orphan.wav").update(text="Found.", text_edited=True)
    assert build_utterances(dataset).utterances == 2
    dataset.sources.get(name="metadata.csv").delete()
    assert build_utterances(dataset).utterances == 1


def test_what_neither_file_nor_row_names_goes(dataset: Dataset) -> None:
    fill(dataset, "a|One.\nb|Two.\n", "a.wav")
    check(dataset)
    assert rejected(dataset) == {"b": "missing_audio"}
    assert [name for name, _, _ in table(dataset)] == ["a", "b"]
    dataset.sources.get(name="metadata.csv").delete()
    add_source(dataset, "metadata.csv", b"a|One.\n")
    build_utterances(dataset)
    assert [name for name, _, _ in table(dataset)] == ["a"]


def test_a_check_starts_once(dataset: Dataset) -> None:
    fill(dataset, "a|One.\n", "a.wav")
    start(dataset)
    dataset.refresh_from_db()
    assert dataset.state == DatasetState.PREPARING
    with pytest.raises(Conflict, match="already"):
        mark_preparing(dataset)


def test_ten_thousand_rows_take_seconds_and_few_queries(dataset: Dataset) -> None:
    count = 10_000
    SourceFile.objects.bulk_create(
        SourceFile(dataset=dataset, kind=SourceKind.AUDIO, name=f"wavs/{n:05}.wav", size=1)
        for n in range(count)
    )
    metadata = "".join(f"{n:05}|Number {n}.\n" for n in range(count))
    add_source(dataset, "metadata.csv", metadata.encode())
    for what in ("made", "updated"):
        with CaptureQueriesContext(connection) as queries:
            started = time.process_time()
            assert build_utterances(dataset).utterances == count
            rows, inputs = prepare_inputs(dataset)
            seconds = time.process_time() - started
        print(f"{count} utterances {what} in {seconds:.1f} s of CPU by {len(queries)} queries")
        assert len(rows) == len(inputs) == count
        assert len(queries) < 30
        assert seconds < 20
    mark_preparing(dataset)
    clips = {f"{row['id']}.wav": StoredClip(f"k/{row['id']}", "s", 1) for row in rows}
    started = time.process_time()
    prepared = (
        {"id": r["id"], "status": "ok", "seconds": 1.0, "clip": f"{r['id']}.wav"} for r in rows
    )
    apply_prepared(dataset, prepared, clips)
    version = freeze_version(dataset)
    seconds = time.process_time() - started
    print(f"{count} verdicts applied and frozen in {seconds:.1f} s of CPU")
    assert version.utterances == version.items.count() == count
    assert seconds < 20
