"""What people do with datasets, and what a check does with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from web.accounts.models import Team, User
from web.accounts.queries import require_editor
from web.core import audit
from web.core.events import announce
from web.core.problems import Conflict, Invalid
from web.datasets.clips import free_objects
from web.datasets.metadata import LONGEST_TEXT, clean_text
from web.datasets.models import (
    Dataset,
    DatasetState,
    SourceFile,
    Utterance,
    UtteranceStatus,
    VersionItem,
)
from web.datasets.prepared import (
    apply_prepared,
    mark_prepare_failed,
    mark_preparing,
    refresh_figures,
)
from web.datasets.queries import language_code, lock_dataset
from web.datasets.shelving import reset_utterances
from web.datasets.signals import dataset_deleting
from web.datasets.uploads import BEING_CHECKED, Outcome, add_files
from web.datasets.utterances import BuildReport, build_utterances, prepare_inputs
from web.datasets.versions import freeze_version

__all__ = [
    "BuildReport",
    "Outcome",
    "add_files",
    "apply_prepared",
    "build_utterances",
    "change_dataset",
    "create_dataset",
    "delete_dataset",
    "delete_source",
    "edit_utterance",
    "freeze_version",
    "mark_prepare_failed",
    "mark_preparing",
    "prepare_inputs",
]

LONGEST_NAME = 80


def create_dataset(user: User, team: Team, name: str, language: str) -> Dataset:
    """Make an empty dataset. Raises `Invalid` for the name or a language that espeak-ng lacks."""
    require_editor(user, team)
    name = _dataset_name(name)
    language = language_code(language)
    with _unique_name(name), transaction.atomic():
        dataset = Dataset.objects.create(team=team, name=name, language=language, created_by=user)
        audit.record(user, "create_dataset", dataset, name=name, language=language)
    return dataset


def change_dataset(
    user: User, dataset: Dataset, name: str | None = None, language: str | None = None
) -> Dataset:
    """Another name or language. With another language the recordings must be checked again."""
    require_editor(user, dataset.team)
    name = dataset.name if name is None else _dataset_name(name)
    language = dataset.language if language is None else language_code(language)
    with _unique_name(name), transaction.atomic():
        row = lock_dataset(dataset.pk)
        if language != row.language:
            _refuse_while_checked(row)
            row.state = DatasetState.DRAFT
        row.name, row.language = name, language
        row.save(update_fields=["name", "language", "state", "changed"])
        audit.record(user, "change_dataset", row, name=name, language=language)
        announce(f"dataset:{row.pk}")
    return row


@transaction.atomic
def delete_dataset(user: User, dataset: Dataset) -> None:
    """Delete recordings, texts, clips and versions, and free their storage; voices stay.

    Raises `Conflict` while a job uses it.
    """
    require_editor(user, dataset.team)
    row = lock_dataset(dataset.pk)
    _refuse_while_checked(row)
    dataset_deleting.send(Dataset, dataset=row)
    objects = dict(row.sources.values_list("key", "size"))
    objects |= dict(row.utterances.exclude(clip_key="").values_list("clip_key", "clip_size"))
    items = VersionItem.objects.filter(version__dataset=row)
    objects |= dict(items.values_list("clip_key", "clip_size"))
    audit.record(user, "delete_dataset", row, name=row.name)
    announce(f"dataset:{row.pk}")
    try:
        row.delete()
    except ProtectedError:
        raise Conflict(
            "Trainings name versions of this dataset. Delete those jobs first.", code="in_use"
        ) from None
    free_objects(row.team, objects)


@transaction.atomic
def delete_source(user: User, dataset: Dataset, source: SourceFile) -> None:
    """Delete one file. Its utterance keeps its text until the next check."""
    require_editor(user, dataset.team)
    row = lock_dataset(dataset.pk)
    _refuse_while_checked(row)
    current = row.sources.filter(pk=source.pk).first()
    if current is None:
        return
    reset_utterances(row, [current])
    free_objects(row.team, {current.key: current.size})
    audit.record(user, "delete_file", row, file=current.name)
    current.delete()
    Dataset.objects.filter(pk=row.pk).update(
        state=DatasetState.DRAFT, error="", changed=timezone.now()
    )
    announce(f"dataset:{row.pk}")


@transaction.atomic
def edit_utterance(
    user: User, utterance: Utterance, text: str | None = None, included: bool | None = None
) -> Utterance:
    """Correct the text, take in or leave out. Returns the row as it is now.

    A new text empties the phonemes: they are made anew from the text when a training starts.
    """
    require_editor(user, utterance.dataset.team)
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=utterance.dataset_id)
    row = Utterance.objects.select_for_update().get(pk=utterance.pk)
    if included is not None:
        if included and row.status == UtteranceStatus.REJECTED:
            advice = row.issues[0]["advice"] if row.issues else ""
            raise Invalid(f"It can't be used, so it stays out. {advice}".strip(), code="rejected")
        row.included = included
    if text is not None:
        _set_text(dataset, row, text)
    row.save(update_fields=["text", "text_edited", "included", "status", "issues", "phonemes"])
    refresh_figures(dataset.pk)
    announce(f"dataset:{dataset.pk}")
    return row


def _set_text(dataset: Dataset, row: Utterance, text: str) -> None:
    text = clean_text(text)
    if not text:
        raise Invalid("Write what is said, or leave the recording out.", code="no_text")
    if len(text) > LONGEST_TEXT:
        raise Invalid(
            f"The text has {len(text)} characters; a recording can hold {LONGEST_TEXT}.",
            code="text_too_long",
        )
    if text == row.text:
        return
    # The agent works on the old text just now and would bring its phonemes.
    _refuse_while_checked(dataset)
    row.text, row.text_edited, row.phonemes = text, True, ""
    if row.source_id and any(issue["code"] == "no_transcript" for issue in row.issues):
        row.status, row.issues = UtteranceStatus.NEW, []
        Dataset.objects.filter(pk=dataset.pk).update(state=DatasetState.DRAFT)


def _refuse_while_checked(dataset: Dataset) -> None:
    if dataset.state == DatasetState.PREPARING:
        raise Conflict(BEING_CHECKED, code="preparing")


def _dataset_name(name: str) -> str:
    name = clean_text(name)
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(f"Give it a name of 1 to {LONGEST_NAME} characters.", code="name")
    return name


@contextmanager
def _unique_name(name: str) -> Iterator[None]:
    """Turns the database's refusal of a second dataset of a name into a sentence."""
    try:
        yield
    except IntegrityError as error:
        if "one_dataset_of_a_name" not in str(error):
            raise
        raise Invalid(
            f"Your team has a dataset called '{name}' already.", code="name_taken"
        ) from None
