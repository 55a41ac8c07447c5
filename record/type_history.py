"""All versions of a type's resources, newest first (https://hl7.org/fhir/R4/http.html#history)."""

import re
from collections.abc import Sequence

from kernel.database import Transaction
from record.failures import ParameterUnknown, ValueUnreadable
from record.ownership import types
from record.pages import Position
from record.query import LARGEST_COUNT, USUAL_COUNT
from record.read import COLUMNS, stored
from record.search import SECONDS_AT_MOST, Page
from record.sql import Arguments
from record.visible import Visible, condition


async def type_history(
    tx: Transaction,
    type: str,
    query: Sequence[tuple[str, str]],
    *,
    visible: Visible,
    after: Position | None = None,
) -> Page:
    """One page of versions; takes `_count` alone. Raises ParameterUnknown, ValueUnreadable."""
    count = _count(query)
    rules, arguments = types()[type], Arguments()
    seen, whose = condition(visible, rules, at=1)
    arguments.extend(whose)
    older = ""
    if after:
        id_, _, version = after.id.rpartition("/")
        place = (arguments.add(after.values[0]), arguments.add(id_), arguments.add(int(version), "int"))
        older = f" and (r.updated_at, r.id, r.version) < ({', '.join(place)})"
    order = f"order by updated_at desc, id desc, version desc limit {count + 1}"
    present = f"select {COLUMNS} from {rules.partition} r where {seen}{older} {order}"  # noqa: S608 - declared names
    past = f"select {COLUMNS} from record.past r where r.type = '{type}' and {seen}{older} {order}"  # noqa: S608
    rows = await tx.raw.fetch(
        f"select * from (({present}) union all ({past})) v {order}",  # noqa: S608 - declared names
        *arguments,
        timeout=SECONDS_AT_MOST,
    )
    last = rows[count - 1] if len(rows) > count else None
    position = Position((last["updated_at"],), f"{last['id']}/{last['version']}") if last else None
    return Page([stored(row) for row in rows[:count]], next=position)


def _count(query: Sequence[tuple[str, str]]) -> int:
    count = USUAL_COUNT
    for name, value in query:
        if name != "_count":
            raise ParameterUnknown("The history of a type takes _count only.")
        if not re.fullmatch(r"[1-9][0-9]{0,5}", value):
            raise ValueUnreadable("_count must be a whole number above 0.")
        count = min(int(value), LARGEST_COUNT)
    return count
