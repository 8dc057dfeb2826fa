"""The pages around jobs: what they show first, and how they say no."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories
from web.accounts.models import Team, User
from web.datasets.models import Dataset
from web.jobs.models import Checkpoint, Job, JobState
from web.jobs.submission import submit_train

pytestmark = pytest.mark.django_db


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def test_an_empty_home_says_the_three_steps(alice: User) -> None:
    page = text_of(browser(alice), "/")
    assert "Add recordings" in page
    assert "Try it with our sample" in page


def test_home_shows_what_waits(alice: User, alpha: Team) -> None:
    dataset = factories.ready_dataset(alpha)
    job = submit_train(alice, dataset, preset="quick", base_voice=factories.ready_base())
    assert reverse("job", args=[job.pk]) in text_of(browser(alice), "/")


def test_a_fragment_can_be_read_alone(alice: User) -> None:
    page = text_of(browser(alice), reverse("jobs"), hx_request="true")
    assert "<html" not in page
    assert "No jobs yet" in page


def test_the_training_form_says_time_and_cost_before_the_click(alice: User, alpha: Team) -> None:
    dataset = factories.ready_dataset(alpha)
    factories.ready_base()
    page = text_of(browser(alice), f"{reverse('training-new')}?dataset={dataset.pk}")
    assert "training minutes" in page
    assert "No host is connected" in page


def test_a_dataset_that_is_none_is_not_found(alice: User) -> None:
    assert browser(alice).get(f"{reverse('training-new')}?dataset=nonsense").status_code == 404


def test_the_training_form_submits(alice: User, alpha: Team) -> None:
    dataset, base = factories.ready_dataset(alpha), factories.ready_base()
    answer = browser(alice).post(
        reverse("training-new"),
        {
            "dataset": dataset.pk,
            "preset": "cpu",
            "base": base.pk,
            "max_steps": "3",
            "name": "Ada 2",
        },
    )
    job = Job.objects.get()
    assert answer.headers["Location"] == reverse("job", args=[job.pk])
    assert (job.name, job.spec["params"]["max_steps"]) == ("Ada 2", 3)


def test_a_number_out_of_range_is_refused_in_a_sentence(alice: User, alpha: Team) -> None:
    dataset, base = factories.ready_dataset(alpha), factories.ready_base()
    form = {"dataset": dataset.pk, "preset": "cpu", "base": base.pk, "batch_size": "9999"}
    answer = browser(alice).post(reverse("training-new"), form, follow=True)
    assert "batch_size" in answer.content.decode()
    assert not Job.objects.exists()


def test_a_full_quota_is_a_sentence_on_the_page(alice: User, alpha: Team) -> None:
    Team.objects.filter(pk=alpha.pk).update(jobs_quota=0)
    dataset, base = factories.ready_dataset(alpha), factories.ready_base()
    form = {"dataset": dataset.pk, "preset": "cpu", "base": base.pk}
    answer = browser(alice).post(reverse("training-new"), form, follow=True)
    assert "ask an administrator for more" in answer.content.decode()


def test_a_viewer_sees_no_buttons_and_is_told_why(alice: User, victor: User, alpha: Team) -> None:
    dataset = factories.ready_dataset(alpha)
    job = submit_train(alice, dataset, preset="quick", base_voice=factories.ready_base())
    client = browser(victor)
    page = text_of(client, reverse("job", args=[job.pk]))
    assert 'data-open="cancel-job"' not in page
    address = reverse("job-steer", args=[job.pk, "cancel"])
    answer = client.post(address, follow=True, headers={"referer": "http://testserver/jobs/"})
    assert "ask an owner of the team" in answer.content.decode()


def test_cancelling_asks_what_will_be_gone_and_then_does_it(alice: User, alpha: Team) -> None:
    dataset = factories.ready_dataset(alpha)
    job = submit_train(alice, dataset, preset="quick", base_voice=factories.ready_base())
    client = browser(alice)
    assert "Cancel and discard?" in text_of(client, reverse("job", args=[job.pk]))
    client.post(reverse("job-steer", args=[job.pk, "cancel"]))
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_the_sample_becomes_a_dataset(alice: User) -> None:
    answer = browser(alice).post(reverse("sample"))
    dataset = Dataset.objects.get()
    assert answer.headers["Location"] == reverse("dataset", args=[dataset.pk])
    assert "Check recordings" in text_of(browser(alice), answer.headers["Location"])


def test_a_checkpoint_that_was_not_scored_yet_is_listed(alice: User, alpha: Team) -> None:
    """One saved on the way out of a host, before the first validation."""
    dataset = factories.ready_dataset(alpha)
    job = submit_train(alice, dataset, preset="quick", base_voice=factories.ready_base())
    Checkpoint.objects.create(
        job=job, attempt=1, step=7, epoch=0, scores={"mel": 1.682513}, name="a", key="a", size=1
    )
    said = text_of(browser(alice), reverse("job", args=[job.pk]))
    assert "1.683" in said and "—" in said
