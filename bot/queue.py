"""RQ, the doorbell: it carries one id, may ring twice or never, and decides nothing.

One queue a worker process, JSON only. A job's dotted path is a wire format: keep the old name for a release
when moving one.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from agents.incident.errors import QueueUnreachable

TRIAGE, ACTIONS = "triage", "actions"

JOBS: Mapping[str, tuple[str, str, int]] = {
    "intake": (TRIAGE, "bot.jobs.triage.intake", 60),
    "diagnose": (TRIAGE, "bot.jobs.triage.diagnose", 300),
    "words": (TRIAGE, "bot.jobs.triage.words", 120),
    "settle": (TRIAGE, "bot.jobs.triage.settle", 60),
    "verify": (TRIAGE, "bot.jobs.triage.verify", 60),
    "act": (ACTIONS, "bot.jobs.actions.act", 600),
}
"""Job → queue, function, seconds it may take before it is killed."""


def connect(url: str) -> redis.Redis:
    """A connection with time-outs on everything but the worker's own blocking wait."""
    return redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=None, health_check_interval=30)


def connect_briefly(url: str) -> redis.Redis:
    """A connection for short calls: nothing waits longer than three seconds."""
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=3, retry_on_timeout=False)


class Doorbell:
    """Rings jobs. The journal keeps what could not be rung."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._queues: dict[str, Queue] = {}

    def ring(self, job: str, subject: str) -> None:
        """Put one job on its queue. Raises QueueUnreachable."""
        queue, function, timeout = JOBS[job]
        if queue not in self._queues:
            self._queues[queue] = Queue(queue, connection=self._redis, serializer=JSONSerializer)
        try:
            self._queues[queue].enqueue(
                function, subject, job_timeout=timeout, result_ttl=60, failure_ttl=3600, ttl=3600
            )
        except (redis.RedisError, OSError) as error:
            raise QueueUnreachable(
                f"Redis did not take job {job} ({type(error).__name__}); the clock will ring it again"
            ) from error


_worker: list[int] = []


def die_with_worker() -> None:
    """The first line of every job: a fork whose worker is gone must not go on beside its successor."""
    if not _worker:
        return  # run in place, by a test or by hand: there is no worker to outlive
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != _worker[0]:
        os._exit(70)  # the worker died before the call above


def work(queue: str, connection: redis.Redis) -> None:
    """Serve one queue until told to stop. Each job runs in a fork of its own."""
    from rq.worker import Worker

    _worker[:] = [os.getpid()]
    worker = Worker(
        [queue],
        connection=connection,
        serializer=JSONSerializer,
        maintenance_interval=30,
        job_monitoring_interval=10,
    )
    worker.work(logging_level="WARNING")
