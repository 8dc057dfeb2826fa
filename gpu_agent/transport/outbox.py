"""What waits to go up the session stream, and how much of it is kept.

    progress   the latest a job, older ones are overwritten
    metrics    batches, one on the way a job, sent again until acknowledged
    log        as metrics; bounded: what does not fit is counted and the count is told
    stage, sample, checkpoint   in order, sent again until acknowledged

Knows no connection: the session takes messages out and reports acknowledgements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from gpu_agent.transport import wire
from gpu_agent.transport.messages import JobKey, StoredObject
from syrinx.agent.v1 import agent_pb2 as pb

METRIC_BATCH = 500  # points
METRICS_KEPT = 20_000  # points a job while the portal is away: hours of training
LOG_BATCH = 200  # lines
LOG_KEPT = 2_000  # lines a job
LINE_LENGTH = 2_000  # characters


@dataclass
class _Job:
    progress: pb.Progress | None = None
    progress_sent: bool = False
    metrics: deque[pb.MetricPoint] = field(default_factory=deque)
    metrics_ack: int = 0
    """The batch that waits for its acknowledgement; 0 when none does."""
    log: deque[pb.LogLine] = field(default_factory=deque)
    log_dropped: int = 0
    log_ack: int = 0
    """As `metrics_ack`: an end must not overtake the line that explains it."""


class Outbox:
    def __init__(self) -> None:
        self._jobs: dict[JobKey, _Job] = {}
        self._ids = count(1)
        self._unacked: dict[int, pb.SessionUp] = {}
        self._to_send: deque[int] = deque()

    # ---- in ---------------------------------------------------------------

    def stage(self, key: JobKey, name: str) -> None:
        """A stage begins."""
        self._acked(key, stage=pb.Stage(name=name))

    def progress(self, key: JobKey, fraction: float, eta: float | None, note: str) -> None:
        job = self._job(key)
        job.progress_sent = False
        job.progress = pb.Progress(
            fraction=fraction, eta_seconds=-1.0 if eta is None else eta, note=note
        )

    def metrics(self, key: JobKey, step: int, values: Mapping[str, float]) -> None:
        points = self._job(key).metrics
        points.append(pb.MetricPoint(step=step, values=values))
        if len(points) > METRICS_KEPT:
            # A coarser curve of the whole outage says more than its last part.
            thinned = list(points)[::2]
            points.clear()
            points.extend(thinned)

    def log(self, key: JobKey, at: float, level: str, text: str) -> None:
        job = self._job(key)
        if len(job.log) >= LOG_KEPT:
            job.log_dropped += 1
            return
        job.log.append(pb.LogLine(at=at, level=level, text=text[:LINE_LENGTH]))

    def sample(
        self,
        key: JobKey,
        stored: StoredObject,
        *,
        step: int,
        index: int,
        text: str,
        seconds: float,
    ) -> None:
        message = pb.Sample(
            step=step, index=index, text=text, seconds=seconds, object=wire.object_ref(stored)
        )
        self._acked(key, sample=message)

    def checkpoint(
        self,
        key: JobKey,
        stored: StoredObject,
        *,
        step: int,
        epoch: int,
        scores: Mapping[str, float],
    ) -> None:
        message = pb.Checkpoint(
            step=step, epoch=epoch, scores=scores, object=wire.object_ref(stored)
        )
        self._acked(key, checkpoint=message)

    # ---- out ----------------------------------------------------------------

    def take(self) -> Iterator[pb.SessionUp]:
        """All that may go now. What is acknowledged stays here until it is."""
        while self._to_send:
            message = self._unacked.get(self._to_send.popleft())
            if message is not None:
                yield message
        for key, job in list(self._jobs.items()):
            yield from self._take_lossy(key, job)

    def _take_lossy(self, key: JobKey, job: _Job) -> Iterator[pb.SessionUp]:
        ref = wire.job_ref(key)
        if job.metrics and not job.metrics_ack:
            points = [job.metrics.popleft() for _ in range(min(METRIC_BATCH, len(job.metrics)))]
            job.metrics_ack = next(self._ids)
            message = pb.SessionUp(
                job=ref, ack_id=job.metrics_ack, metrics=pb.Metrics(points=points)
            )
            self._unacked[job.metrics_ack] = message
            yield message
        if (job.log or job.log_dropped) and not job.log_ack:
            lines = [job.log.popleft() for _ in range(min(LOG_BATCH, len(job.log)))]
            dropped, job.log_dropped = job.log_dropped, 0
            job.log_ack = next(self._ids)
            message = pb.SessionUp(
                job=ref, ack_id=job.log_ack, log=pb.Log(lines=lines, dropped=dropped)
            )
            self._unacked[job.log_ack] = message
            yield message
        if job.progress is not None and not job.progress_sent:
            job.progress_sent = True
            yield pb.SessionUp(job=ref, progress=job.progress)

    def acknowledge(self, ack_id: int) -> None:
        message = self._unacked.pop(ack_id, None)
        if message is None:
            return
        job = self._jobs.get(JobKey(message.job.job_id, message.job.attempt))
        if job is not None and job.metrics_ack == ack_id:
            job.metrics_ack = 0
        if job is not None and job.log_ack == ack_id:
            job.log_ack = 0

    def reconnected(self) -> None:
        """A new stream: all that was not acknowledged goes again, in order."""
        self._to_send = deque(sorted(self._unacked))
        for job in self._jobs.values():
            job.progress_sent = False

    # ---- a job's end ------------------------------------------------------------

    def is_empty(self, key: JobKey) -> bool:
        job = self._jobs.get(key)
        if job is not None and (job.metrics or job.log or job.log_dropped):
            return False
        return not any(message.job == wire.job_ref(key) for message in self._unacked.values())

    def forget(self, key: JobKey) -> None:
        ref = wire.job_ref(key)
        self._jobs.pop(key, None)
        self._unacked = {i: message for i, message in self._unacked.items() if message.job != ref}

    def _job(self, key: JobKey) -> _Job:
        return self._jobs.setdefault(key, _Job())

    def _acked(
        self,
        key: JobKey,
        *,
        stage: pb.Stage | None = None,
        sample: pb.Sample | None = None,
        checkpoint: pb.Checkpoint | None = None,
    ) -> None:
        ack_id = next(self._ids)
        self._job(key)
        self._unacked[ack_id] = pb.SessionUp(
            job=wire.job_ref(key),
            ack_id=ack_id,
            stage=stage,
            sample=sample,
            checkpoint=checkpoint,
        )
        self._to_send.append(ack_id)
