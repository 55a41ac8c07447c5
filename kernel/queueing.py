"""Due work, done by Celery: a task is a sync shell around the worker's one event loop, under the room's own role.

What is due stands in PostgreSQL; Celery's beat only says "look now", so a lost or doubled message does no harm.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.signals import worker_ready

from kernel import notify
from kernel.database import Transaction
from kernel.service import Room, open_room
from kernel.settings import Settings
from kernel.telemetry import place_of

log = logging.getLogger(__name__)

Work = Callable[[Transaction, Room], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """Work a room does again and again; it may run twice at once and be cut off at any line."""

    name: str
    room: str
    every: timedelta
    work: Work


_JOBS: dict[str, Job] = {}


def job(room: str, *, every: timedelta) -> Callable[[Work], Work]:
    """Register a room's recurring work: one transaction per run."""

    def register(work: Work) -> Work:
        name = f"{room}.{getattr(work, '__name__', 'work')}"
        _JOBS[name] = Job(name, room, every, work)
        return work

    return register


class Worker:
    """The rooms as the worker process has them open, and its one loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._rooms: dict[str, Room] = {}

    def run(self, job: Job) -> None:
        """Do one job to its end."""
        self._loop.run_until_complete(self._run(job))

    async def _run(self, job: Job) -> None:
        if job.room not in self._rooms:
            self._rooms[job.room] = await open_room(job.room, self._settings, self._stack)
        room = self._rooms[job.room]
        async with room.database.transaction() as tx:
            await job.work(tx, room)
        await notify.announce(room.redis, tx.words)


def celery(settings: Settings) -> Celery:
    """The Celery application with every registered job as a task and a beat entry."""
    broker = settings.redis_url.replace("unix://", "redis+socket://", 1)
    app = Celery("yuzhen", broker=broker)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        timezone="Asia/Shanghai",
    )
    worker: list[Worker] = []
    for one in _JOBS.values():
        app.task(name=one.name)(_task(one, settings, worker))
        seconds = one.every.total_seconds()
        app.conf.beat_schedule[one.name] = {"task": one.name, "schedule": seconds, "options": {"expires": seconds}}
    return app


def _task(one: Job, settings: Settings, worker: list[Worker]) -> Callable[[], Any]:
    def shell() -> None:
        if not worker:
            worker.append(Worker(settings))
        try:
            worker[0].run(one)
        except Exception as wrong:
            # Its next turn comes anyway, and the error's own text may quote a patient's data.
            # rule: quiet-logs because a job is named after its function
            log.error("job %s failed: %s", one.name, place_of(wrong))

    return shell


def run_beat_with(schedule: Path) -> None:
    """Let a worker's beat be a thread of it: as a process of its own it would outlive a killed worker."""

    @worker_ready.connect(weak=False)
    def begin(sender: Any, **_: object) -> None:
        beat: Any = EmbeddedService(sender.app, thread=True, schedule_filename=str(schedule))
        beat.start()
