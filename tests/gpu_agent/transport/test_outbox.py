"""What waits to go up the stream, and how much of it is kept."""

from __future__ import annotations

from gpu_agent.transport import outbox as module
from gpu_agent.transport.messages import JobKey, StoredObject
from gpu_agent.transport.outbox import LINE_LENGTH, LOG_KEPT, METRIC_BATCH, METRICS_KEPT, Outbox
from syrinx.agent.v1 import agent_pb2 as pb

KEY, OTHER = JobKey("job-1", 2), JobKey("job-2", 1)
STORED = StoredObject("a.wav", "00", 3, "sample")


def bodies(outbox: Outbox) -> list[tuple[str | None, pb.SessionUp]]:
    return [(message.WhichOneof("body"), message) for message in outbox.take()]


def test_only_the_latest_progress_goes_up() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.progress(KEY, number / 100, None, "")
    [(kind, message)] = bodies(outbox)
    assert (kind, message.progress.fraction, message.progress.eta_seconds) == ("progress", 0.99, -1)
    assert message.job == pb.JobRef(job_id="job-1", attempt=2)
    assert bodies(outbox) == []


def test_a_new_stream_hears_the_latest_progress_again() -> None:
    outbox = Outbox()
    outbox.progress(KEY, 0.5, 10.0, "half")
    list(outbox.take())
    outbox.reconnected()
    assert [kind for kind, _ in bodies(outbox)] == ["progress"]


def test_what_is_not_acknowledged_goes_again_in_order() -> None:
    outbox = Outbox()
    outbox.stage(KEY, "train")
    outbox.sample(KEY, STORED, step=1, index=0, text="a", seconds=1)
    first = bodies(outbox)
    outbox.reconnected()
    assert bodies(outbox) == first
    outbox.acknowledge(first[0][1].ack_id)
    outbox.reconnected()
    assert bodies(outbox) == first[1:]
    assert not outbox.is_empty(KEY)
    outbox.acknowledge(first[1][1].ack_id)
    assert outbox.is_empty(KEY)


def test_metrics_go_in_batches_one_at_a_time() -> None:
    outbox = Outbox()
    for step in range(METRIC_BATCH + 1):
        outbox.metrics(KEY, step, {"mel": 1.0})
    [(_, batch)] = bodies(outbox)
    assert len(batch.metrics.points) == METRIC_BATCH
    assert bodies(outbox) == []
    outbox.acknowledge(batch.ack_id)
    [(_, rest)] = bodies(outbox)
    assert [point.step for point in rest.metrics.points] == [METRIC_BATCH]


def test_a_long_outage_makes_the_curve_coarser_not_shorter() -> None:
    outbox = Outbox()
    for step in range(METRICS_KEPT + 1):
        outbox.metrics(KEY, step, {"mel": 1.0})
    steps = []
    while taken := bodies(outbox):
        for _, message in taken:
            steps += [point.step for point in message.metrics.points]
            outbox.acknowledge(message.ack_id)
    assert steps == list(range(0, METRICS_KEPT + 1, 2))


def test_a_flood_of_log_lines_is_cut_and_counted() -> None:
    outbox = Outbox()
    for number in range(LOG_KEPT + 5):
        outbox.log(KEY, 0.0, "info", f"{number}" + "x" * LINE_LENGTH)
    messages = []
    while taken := bodies(outbox):
        [(_, message)] = taken
        messages.append(message.log)
        outbox.acknowledge(message.ack_id)
    assert sum(len(log.lines) for log in messages) == LOG_KEPT
    assert sum(log.dropped for log in messages) == 5
    assert all(len(line.text) == LINE_LENGTH for log in messages for line in log.lines)
    assert max(len(log.lines) for log in messages) <= module.LOG_BATCH


def test_the_last_lines_count_as_news_until_they_are_stored() -> None:
    outbox = Outbox()
    outbox.log(KEY, 0.0, "error", "The GPU fell off the bus.")
    [(_, message)] = bodies(outbox)
    assert not outbox.is_empty(KEY)
    outbox.acknowledge(message.ack_id)
    assert outbox.is_empty(KEY)


def test_jobs_do_not_mix() -> None:
    outbox = Outbox()
    outbox.stage(KEY, "train")
    outbox.stage(OTHER, "fetch")
    outbox.log(OTHER, 0.0, "info", "hello")
    outbox.forget(KEY)
    assert outbox.is_empty(KEY)
    assert {message.job.job_id for _, message in bodies(outbox)} == {"job-2"}
