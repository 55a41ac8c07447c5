"""`yuzhen demo`: walk the visit step by step, and end with a table of what happened."""

import asyncio
import contextlib
import time

import aiohttp
from rich.console import Console
from rich.table import Table

from kernel.clock import SystemClock
from kernel.settings import Settings
from yuzhen.demo.api import Refused
from yuzhen.demo.story import STEPS
from yuzhen.demo.visit import Done, StepFailed, Visit


def run(settings: Settings, console: Console) -> int:
    """Returns 0 when every step went as it must."""
    if not settings.demo:
        console.print("[red]The demonstration runs in demo mode only.[/]")
        return 1
    return asyncio.run(_run(settings, console))


async def _run(settings: Settings, console: Console) -> int:
    # A self-made certificate is trusted on this machine alone.
    connector = aiohttp.TCPConnector(ssl=settings.tls != "auto")
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=40)) as http:
        visit = Visit(
            http,
            settings.address,
            settings.secret("demo-password"),
            SystemClock(settings.offset),
            doctor_of=lambda reference: reference.removeprefix("Practitioner/"),
        )
        failed = await _walk(visit, console)
        for peer in visit.resources.get("peers", ()):
            with contextlib.suppress(Refused, aiohttp.ClientError):
                await peer.leave()
    _show(visit, console)
    if failed:
        console.print(f"\n[red]{failed}[/]\nLook at {settings.state / 'log'}.")
    return 1 if failed else 0


async def _walk(visit: Visit, console: Console) -> str:
    """Take each step; returns why it stopped, or nothing."""
    for step in STEPS:
        name = (step.__doc__ or "").strip().rstrip(".")
        started = time.perf_counter()
        with console.status(f"{name} ..."):
            try:
                shown = await step(visit)
            except (StepFailed, Refused) as no:
                return f"{name}: {no}"
            except (KeyError, IndexError, StopIteration, TypeError, aiohttp.ClientError, TimeoutError) as odd:
                return f"{name}: an answer is not as expected ({type(odd).__name__}: {odd})"
        visit.done.append(Done(name, time.perf_counter() - started, shown))
        console.print(f"[green]✓[/] {name} [dim]{shown}[/]")
    return ""


def _show(visit: Visit, console: Console) -> None:
    steps = Table("Step", "Seconds", "What came of it", title="One visit")
    for one in visit.done:
        steps.add_row(one.name, f"{one.seconds:.2f}", one.shown)
    steps.add_row("[bold]in all[/]", f"[bold]{sum(one.seconds for one in visit.done):.2f}[/]", "")
    ids = Table("FHIR resource", "id", title="What it left in the record")
    for name, id_ in visit.ids.items():
        ids.add_row(name, id_)
    console.print(steps, ids)
