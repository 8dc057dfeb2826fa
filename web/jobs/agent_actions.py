"""What agents do to jobs; every write is fenced (see `fencing.py`)."""

from web.jobs.endings import finish_failed, finish_succeeded
from web.jobs.fencing import Fenced, Holder
from web.jobs.leases import (
    HEARTBEAT,
    LEASE,
    claim_job,
    reap_expired_leases,
    release_job,
    renew_lease,
    ring_again,
)
from web.jobs.objects import (
    RESUME_NAME,
    ManifestEntry,
    create_objects,
    input_keys,
    multipart_of,
    newest_checkpoint,
)
from web.jobs.reports import (
    report_progress,
    report_stage,
    store_checkpoint,
    store_log,
    store_metrics,
    store_sample,
)

__all__ = [
    "HEARTBEAT",
    "LEASE",
    "RESUME_NAME",
    "Fenced",
    "Holder",
    "ManifestEntry",
    "claim_job",
    "create_objects",
    "finish_failed",
    "finish_succeeded",
    "input_keys",
    "multipart_of",
    "newest_checkpoint",
    "reap_expired_leases",
    "release_job",
    "renew_lease",
    "report_progress",
    "report_stage",
    "ring_again",
    "store_checkpoint",
    "store_log",
    "store_metrics",
    "store_sample",
]
