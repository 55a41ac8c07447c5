"""Days open for booking: slots made from the patterns, day by day, each day of a schedule once."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson

from kernel.clock import CHONGQING, local
from kernel.database import Transaction
from record import read, write
from record.visible import Everything
from services.appointments import fhir, store
from services.appointments.diary import openings

HORIZON_DAYS = 14


async def next_unopened_day(tx: Transaction, *, now: datetime) -> date | None:
    """The first day of the coming fortnight whose slots are not all there yet."""
    today = local(now).date()
    for ahead in range(HORIZON_DAYS):
        if await store.unopened(tx, today + timedelta(days=ahead)):
            return today + timedelta(days=ahead)
    return None


async def open_day(tx: Transaction, day: date, *, now: datetime) -> int:
    """Open one day of every schedule that has not opened it; returns how many slots that made. May run twice."""
    patterns = await store.unopened(tx, day)
    fresh = await store.mark_opened(tx, day, sorted({pattern.schedule for pattern in patterns}))
    slots = list(openings([pattern for pattern in patterns if pattern.schedule in fresh], day))
    looks = {id_: await _look(tx, id_) for id_ in sorted(fresh)}
    await store.put_slots(tx, slots)
    resources = [(slot.slot, orjson.dumps(fhir.slot(slot, **looks[slot.schedule]))) for slot in slots]
    await write.create_many(tx, resources, now=now)
    return len(slots)


async def move_horizons(tx: Transaction, *, now: datetime) -> None:
    """Say in each Schedule until when it is open, if that has changed."""
    end = datetime.combine(local(now).date() + timedelta(days=HORIZON_DAYS), time(0), CHONGQING).isoformat()
    for id_ in await store.schedules_with_patterns(tx):
        current = await read.read(tx, "Schedule", id_, visible=Everything())
        horizon = current.resource.get("planningHorizon", {})
        if horizon.get("end") != end:
            start = horizon.get("start", fhir.instant(now))
            changed = {**current.resource, "planningHorizon": {"start": start, "end": end}}
            await write.update(tx, changed, id=id_, now=now, expected=current.version)


async def _look(tx: Transaction, schedule: str) -> Mapping[str, Any]:
    row = await store.schedule(tx, schedule)
    if row is None:
        return {"service_type": (), "specialty": ()}
    return {"service_type": orjson.loads(row["service_type"]), "specialty": orjson.loads(row["specialty"])}
