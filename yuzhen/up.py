"""`yuzhen up`: from nothing to a running platform, and cleanly back."""

import asyncio
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from rich.console import Console

from kernel import telemetry
from kernel.settings import Settings
from yuzhen import secret
from yuzhen.children import ChildFailed, run_to_end
from yuzhen.migrate import migrate
from yuzhen.production import refuse_demo_in_production
from yuzhen.seed import seed
from yuzhen.supervisor import Supervisor

READY_WITHIN = 90.0


def up(settings: Settings, console: Console) -> int:
    """Run the platform in the foreground until Ctrl-C. Returns the exit code."""
    started = time.monotonic()
    supervisor = Supervisor(settings, say=lambda line: console.print(f"[yellow]{line}[/]"))
    supervisor.take()
    secret.ensure(settings.secrets, "identity-signing.pem", secret.signing_key)
    for name in ("page-cursor-key", "pharmacy-code-key", "identity-number-key"):
        secret.ensure(settings.secrets, name)
    try:
        console.print("Starting the record (PostgreSQL) and Valkey ...")
        supervisor.start_engines()
        console.print("Bringing the record up to date ...")
        run_to_end("migrate", lambda: _migrate(settings), supervisor.logs)
        run_to_end("seed", lambda: _seed(settings), supervisor.logs)
        console.print("Starting the rooms ...")
        supervisor.start_rooms()
        supervisor.watch(tick=_announce_once(settings, console, started))
    except ChildFailed as failed:
        console.print(f"[red]{failed}[/]")
        return 1
    finally:
        console.print("Stopping ...")
        supervisor.stop()
    return 0


def _migrate(settings: Settings) -> None:
    telemetry.configure("migrate", level=settings.log_level)
    asyncio.run(migrate(settings))
    asyncio.run(refuse_demo_in_production(settings))


def _seed(settings: Settings) -> None:
    telemetry.configure("seed", level=settings.log_level)
    asyncio.run(seed(settings))


def _announce_once(settings: Settings, console: Console, started: float) -> Callable[[], None]:
    """A tick that says once, when it is so, that the platform is ready."""
    state = {"said": False}
    rooms_started = time.monotonic()

    def tick() -> None:
        if state["said"]:
            return
        waited = time.monotonic() - rooms_started
        if ready(settings):
            state["said"] = True
            console.print(f"[bold green]Ready[/] after {time.monotonic() - started:.1f} s: [bold]{settings.address}[/]")
            if settings.demo:
                console.print(f"Demo accounts and their passwords: {settings.state / 'demo-accounts.txt'}")
        elif waited > READY_WITHIN:
            state["said"] = True
            console.print(f"[red]Not ready after {waited:.0f} s.[/] The logs in {settings.state / 'log'} say why.")

    return tick


def ready(settings: Settings) -> bool:
    """Whether the gateway says that every room can work."""
    scheme = "https" if settings.tls == "auto" else "http"
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    trust = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323 - our own certificate, loopback
    try:
        url = f"{scheme}://{host}:{settings.port}/readyz"
        with urllib.request.urlopen(url, timeout=2, context=trust) as answer:  # noqa: S310 - http or https by construction
            return bool(json.load(answer)["status"] == "ready")
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return False
