"""`yuzhen load`: first the patients, then all that belongs to them, several transactions in flight.

What belongs to a patient whom the record refuses is refused too, so that nothing comes into a stranger's record.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from record.ownership import types
from yuzhen.load.entering import Entering
from yuzhen.load.files import Source
from yuzhen.load.gateway import Gateway, Stopped
from yuzhen.load.items import Group, Item, groups
from yuzhen.load.naming import Links, Named, Naming
from yuzhen.load.report import Report
from yuzhen.load.wish import Wish

COLUMNS = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn(), TimeRemainingColumn())
MOST_ENTRIES = 200
MOST_BYTES = 1024 * 1024
WAITING = 4
"""Transactions that wait for one that is in flight to end; reading goes on no further."""


def load(wish: Wish, console: Console) -> int:
    """Returns 0 when all is in the record, 1 when something was refused, 2 when the load could not go on."""
    wish.report.unlink(missing_ok=True)
    report = Report(wish.report)
    try:
        asyncio.run(_load(wish, report, console))
    except Stopped as why:
        console.print(report.table())
        console.print(f"[red]{why}[/]")
        return 2
    finally:
        report.close()
        for source in wish.sources:
            source.close()
    console.print(report.table())
    if report.refusals:
        console.print(f"[red]{report.refusals:,} refused[/]; why stands in {wish.report}")
    return 1 if report.refusals else 0


async def _load(wish: Wish, report: Report, console: Console) -> None:
    connector = aiohttp.TCPConnector(limit=wish.at_once * 2, ssl=not wish.trusted)
    timeout = aiohttp.ClientTimeout(total=60, connect=5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        gateway = Gateway(http, wish.address, wish.token)
        await gateway.check()
        one = _Load(Naming(wish.name), Entering(gateway, report), wish.at_once)
        with Progress(*COLUMNS, console=console, disable=not console.is_terminal) as progress:
            for description, patients in (("patients", True), ("all else", False)):
                task = progress.add_task(description, total=sum(source.size for source in wish.sources))
                await one.walk(wish.sources, patients=patients, show=partial(progress.update, task))


@dataclass(slots=True)
class _Load:
    """One load. Resources wait in a chunk until it is full, then for one of those who carry chunks to the gateway."""

    naming: Naming
    entering: Entering
    at_once: int
    _chunk: dict[str, Named] = field(default_factory=dict)
    _bytes: int = 0
    _ready: asyncio.Queue[list[Named]] = field(default_factory=lambda: asyncio.Queue(WAITING))

    async def walk(self, sources: Sequence[Source], *, patients: bool, show: Callable[..., None]) -> None:
        """Go through all files once, for the patients or for everything else. Raises Stopped."""
        try:
            async with asyncio.TaskGroup() as tasks:
                carriers = [tasks.create_task(self._carry()) for _ in range(self.at_once)]
                before = 0
                for source in sources:
                    async for position in self._read(source, patients=patients):
                        show(completed=before + position)
                    before += source.size
                    show(completed=before)
                await self._send()
                await self._ready.join()
                for carrier in carriers:
                    carrier.cancel()
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _carry(self) -> None:
        while True:
            await self.entering.enter(await self._ready.get())
            self._ready.task_done()

    async def _read(self, source: Source, *, patients: bool) -> AsyncIterator[float]:
        """Take from a file its patients, or everything else; says how much of it is done."""
        for group in groups(source):
            if not patients:
                self._note(group)
            mine = [item for item in group.items if _comes_first(item) is patients]
            if not mine:
                continue
            links = await self._links(group)
            for number, item in enumerate(mine):
                if item.criteria is None:
                    await self._add(self.naming.named(item, links))
                if len(mine) > 1:
                    yield source.size * number / len(mine)
            yield source.position

    def _note(self, group: Group) -> None:
        for item in group.items:
            self.entering.report.read(item)
        for fault in group.faults:
            self.entering.report.read(fault)
            self.entering.report.refused(fault, fault.code)

    async def _links(self, group: Group) -> Links:
        """What the group's fullUrls stand for; what the record must find by criteria goes first, to learn its id."""
        links, found = self.naming.links(group), self.entering.found
        looked_for = [item for item in group.items if item.criteria is not None]
        for start in range(0, len(looked_for), MOST_ENTRIES):
            part = looked_for[start : start + MOST_ENTRIES]
            await self.entering.enter([self.naming.named(item, links) for item in part if item.place not in found])
            links.references |= {item.full_url: found[item.place] for item in part if item.full_url}
        return links

    async def _add(self, one: Named) -> None:
        """Put a resource into the chunk; one that is not over and done may be refused, so it goes by itself."""
        if not _is_history(one.item):
            await self._ready.put([one])
            return
        if one.reference in self._chunk or self._bytes + len(one.body) > MOST_BYTES:
            await self._send()
        self._chunk[one.reference] = one
        self._bytes += len(one.body)
        if len(self._chunk) == MOST_ENTRIES:
            await self._send()

    async def _send(self) -> None:
        if self._chunk:
            await self._ready.put(list(self._chunk.values()))
        self._chunk, self._bytes = {}, 0


def _comes_first(item: Item) -> bool:
    return item.type == "Patient" and item.criteria is None


def _is_history(item: Item) -> bool:
    """Whether the record takes it together with other types: plain knowledge, or what is over."""
    rules = types().get(item.type)
    if rules is None:
        return False
    return item.status in rules.finished if rules.finished else rules.imported
