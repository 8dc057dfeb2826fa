"""The fleet page: for administrators, who see hosts, the queue and the teams' limits."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories
from web.accounts.models import Team, User
from web.fleet.models import Agent
from web.jobs.models import Job
from web.jobs.submission import submit_train

pytestmark = pytest.mark.django_db


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_others_are_told_that_there_is_nothing(alice: User) -> None:
    assert browser(alice).get(reverse("fleet")).status_code == 404


def test_a_new_hosts_token_is_shown_once(root: User) -> None:
    client = browser(root)
    answer = client.post(reverse("agent-new"), {"name": "ada"})
    agent = Agent.objects.get(name="ada")
    assert agent.token_prefix in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    assert agent.token_prefix not in client.get(reverse("fleet")).content.decode()


def test_a_waiting_job_is_moved_to_the_front(root: User, alice: User, alpha: Team) -> None:
    dataset, base = factories.ready_dataset(alpha), factories.ready_base()
    jobs = [submit_train(alice, dataset, preset="quick", base_voice=base) for _ in range(3)]
    browser(root).post(reverse("queue-move", args=[jobs[2].pk]), {"to": "top"})
    order = list(Job.objects.order_by("rank", "queued_at").values_list("pk", flat=True))
    assert order == [jobs[2].pk, jobs[0].pk, jobs[1].pk]


@pytest.mark.parametrize(("to", "order"), [("up", [1, 0, 2]), ("down", [0, 2, 1])])
def test_a_waiting_job_moves_by_one(
    root: User, alice: User, alpha: Team, to: str, order: list[int]
) -> None:
    dataset, base = factories.ready_dataset(alpha), factories.ready_base()
    jobs = [submit_train(alice, dataset, preset="quick", base_voice=base) for _ in range(3)]
    browser(root).post(reverse("queue-move", args=[jobs[1].pk]), {"to": to})
    found = list(Job.objects.order_by("rank", "queued_at").values_list("pk", flat=True))
    assert found == [jobs[place].pk for place in order]


def test_draining_is_said_on_the_card(root: User) -> None:
    agent, _ = factories.fleet.create_agent(root, "ada")
    client = browser(root)
    client.post(reverse("agent-steer", args=[agent.pk, "drain"]))
    agent.refresh_from_db()
    assert agent.draining
    assert "Take jobs again" in client.get(reverse("fleet")).content.decode()
