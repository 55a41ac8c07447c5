"""Writes docs/record-plans.md: what PostgreSQL does for each kind of search in a record of a million resources.

    python -m tests.prove.plan_page             a million resources, into docs/record-plans.md
    python -m tests.prove.plan_page 20000 PAGE  a quick look at a small record, into another file

The statements are heard while the record's own search runs, so the page shows what is really asked.
"""

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import asyncpg

from kernel.database import Database
from kernel.settings import Settings
from record.care import entrust
from record.search.searching import Page, search
from record.visible import Everything, OfClinics, OnlyPatient, Visible
from tests.bench.filling import fill
from tests.bench.town import ENTERED, NO_TOWN, Town, code, measured_patient, name
from tests.support.postgres import database_of
from tests.support.record import migrated_record
from yuzhen import embedded

SIZE = 1_000_000
PAGE = Path("docs/record-plans.md")
CLINIC = "HealthcareService/town"
WIDEST = 170
TRIES = 7
NOISE = re.compile(r"\s*(Buffers:|Heap Blocks:|Planning|Settings:|Index Searches:|Worker|Cache Mode|Hits:).*")
TOUCHED = re.compile(r"Buffers: shared((?: \w+=\d+)+)")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of search: what it shows, the type, what is asked, and who asks."""

    shows: str
    type: str
    asked: str
    visible: Visible = Everything()  # noqa: RUF009 - a value without parts


def kinds() -> Sequence[Kind]:
    """Every kind of search, one of each."""
    own, care, known = OnlyPatient("town-2"), OfClinics((CLINIC,)), name(2)
    measured, weight = measured_patient(3), code(3, 0)
    return (
        Kind("declared pair in date order", "Slot", "schedule=Schedule/town-0&status=free&start=ge2026-09-03"),
        Kind("declared anchor in date order", "Appointment", "practitioner=Practitioner/town-0&date=ge2026-09-03"),
        Kind("newest first", "Appointment", "patient=Patient/town-2&_sort=-date"),
        Kind("patient and code", "Observation", f"patient={measured}&code=http://loinc.org|{weight}"),
        Kind("a code alone", "Observation", "code=http://loinc.org|8310-5"),
        Kind("a broad token: the type in order", "Appointment", "status=booked"),
        Kind("none of a token", "Appointment", "status:not=booked"),
        Kind("identifier", "Patient", "identifier=urn:town:card|card-0000002"),
        Kind("alternatives", "Appointment", "slot=Slot/town-1,Slot/town-2,Slot/town-3"),
        Kind("text by its beginning", "Patient", f"name={known}"),
        Kind("exact text", "Patient", f"name:exact={known}"),
        Kind("part of a text", "Patient", f"name:contains={known[1:]}"),
        Kind("a month of birth", "Patient", "birthdate=1950-03"),
        Kind("quantity", "Observation", f"patient={measured}&value-quantity=gt64||kg"),
        Kind(
            "composite: code and value of one part",
            "Observation",
            f"patient={measured}&code-value-quantity={weight}$gt64",
        ),
        Kind("without a value", "Appointment", "patient=Patient/town-2&reason-code:missing=true"),
        Kind("along a reference", "Appointment", f"patient.name={known}"),
        Kind("back along a reference", "Patient", "identifier=card-0000002&_has:Appointment:patient:status=booked"),
        Kind("what the matches refer to", "Appointment", "patient=Patient/town-2&_include=Appointment:slot"),
        Kind("what refers to the matches", "Patient", "_id=town-9&_revinclude=Observation:patient"),
        Kind("order by another parameter", "Patient", f"name={known[0]}{known[1]}&_sort=family,-birthdate"),
        Kind("changed since", "Observation", "_lastUpdated=ge2026-11-24&_sort=_lastUpdated"),
        Kind("a patient's own", "Appointment", "status=booked", own),
        Kind("a clinic's patients", "Appointment", "practitioner=Practitioner/town-0&date=ge2026-09-03", care),
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One statement and what PostgreSQL did for it."""

    plan: str
    pages: int
    """Pages of 8 KB that were looked at."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One kind of search, carried out."""

    kind: Kind
    page: Page
    milliseconds: float
    statements: Sequence[Seen]

    @property
    def pages(self) -> int:
        return sum(one.pages for one in self.statements)


async def asked_of(settings: Settings, size: int) -> Sequence[Shown]:
    """Fill a town, and ask each kind of search of it."""
    admin = await asyncpg.connect(
        host=str(settings.runtime / "pg"), user=embedded.ADMIN, password=settings.secret("db-admin"), database="yuzhen"
    )
    await fill(settings, Town(size), before=NO_TOWN, admin=admin)
    await admin.close()
    async with database_of("appointments", settings, size=1) as database:
        async with database.transaction() as tx:
            for n in range(300):
                await entrust(tx, clinic=CLINIC, patient=f"town-{n}", now=ENTERED)
        return [await _asked(database, kind) for kind in kinds()]


async def _asked(database: Database, kind: Kind) -> Shown:
    patient = kind.visible.patient if isinstance(kind.visible, OnlyPatient) else None
    heard: list[tuple[str, tuple[Any, ...]]] = []
    query = parse_qsl(kind.asked)
    async with database.transaction(patient=patient) as tx:
        took = []
        for _ in range(TRIES):
            begun = time.perf_counter()
            page = await search(tx, kind.type, query, visible=kind.visible, now=ENTERED)
            took.append((time.perf_counter() - begun) * 1000)

        def listen(said: Any) -> None:
            heard.append((said.query, tuple(said.args or ())))

        tx.raw.add_query_logger(listen)
        await search(tx, kind.type, query, visible=kind.visible, now=ENTERED)
        await asyncio.sleep(0)  # the driver tells its listeners a moment later
        tx.raw.remove_query_logger(listen)
        plans = [await _explained(tx.raw, statement, arguments) for statement, arguments in heard]
    return Shown(kind, page, min(took), plans)


async def _explained(raw: "asyncpg.Connection[asyncpg.Record]", statement: str, arguments: Sequence[Any]) -> Seen:
    how = "explain (analyze, buffers, costs off, timing off, summary off)"
    lines = [str(row[0]) for row in await raw.fetch(f"{how} {statement}", *arguments)]
    touched = next((found[1] for line in lines if (found := TOUCHED.search(line))), "")
    pages = sum(int(part.partition("=")[2]) for part in touched.split() if part.startswith(("hit", "read")))
    return Seen("\n".join(line[:WIDEST] for line in lines if not NOISE.match(line)), pages)


def _page(shown: Sequence[Shown], size: int) -> Iterator[str]:
    yield f"# What PostgreSQL does for a search in a record of {size:,} resources"
    yield ""
    yield "Written by `python -m tests.prove.plan_page`; `record.md` says how the index is built."
    yield "Pages are those of 8 KB that were looked at, in memory or not, for matches, includes and totals together:"
    yield "unlike the milliseconds, the best of seven on two cores, they do not depend on the machine."
    yield ""
    yield "| search | shows | matches on the page | statements | pages | ms |\n| --- | --- | --- | --- | --- | --- |"
    for one in shown:
        found = len(one.page.entries) + len(one.page.includes)
        yield (
            f"| `{_asking(one.kind)}` | {one.kind.shows} | {found} | {len(one.statements)} | {one.pages:,}"
            f" | {one.milliseconds:.1f} |"
        )
    for one in shown:
        yield f"\n## {one.kind.shows[0].upper()}{one.kind.shows[1:]}\n\n`GET {_asking(one.kind)}`{_asker(one.kind)}"
        for seen in one.statements:
            yield f"\n```\n{seen.plan}\n```"


def _asking(kind: Kind) -> str:
    return f"{kind.type}?{kind.asked}".replace("|", "%7C")


def _asker(kind: Kind) -> str:
    match kind.visible:
        case OnlyPatient():
            return ", asked by the patient"
        case OfClinics():
            return ", asked by a practitioner"
        case _:
            return ""


def main(given: Sequence[str]) -> int:
    """Write the page."""
    size, path = (int(given[0]), Path(given[1])) if given else (SIZE, PAGE)
    with migrated_record() as settings:
        shown = asyncio.run(asked_of(settings, size))
    path.write_text("\n".join(_page(shown, size)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
