"""The worker: does what is due for every room, with Celery's beat inside."""

from importlib import import_module
from importlib.util import find_spec

from kernel import telemetry
from kernel.queueing import celery, run_beat_with
from kernel.settings import Settings
from yuzhen.rooms import SERVICES, package

for _room in SERVICES:
    if find_spec(f"{package(_room)}.jobs"):
        import_module(f"{package(_room)}.jobs")


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    telemetry.configure("worker", level=settings.log_level)
    schedule = settings.state / "beat"
    schedule.mkdir(mode=0o700, exist_ok=True)
    app = celery(settings)
    run_beat_with(schedule / "schedule")
    app.worker_main(
        [
            *(
                "worker",
                "--pool=solo",
                f"--pidfile={schedule / 'pid'}",
            ),
            *("--loglevel", settings.log_level, "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )
