"""Which way through the indexes a search goes, and whether what it collects must be put in order anew."""

from collections.abc import Sequence
from functools import cache

from record import definitions
from record.index import keys as exact_keys
from record.index.index import anchor_key
from record.index.parameters import SEARCHES, Kind, parameters
from record.ownership import types
from record.search.criterion import AnyKey, Beside, Chain, Criterion, Dates, Has, IdIn, Text, is_main
from record.search.query import Query
from record.visible import OnlyPatient, Visible

RANGES = 4
"""The rank of numbers and dates beside the type's own rows."""
INSTANTS = frozenset({"instant", "dateTime", "date"})


def column(asked: Query) -> str | None:
    """The column of the type's own row that the search is in order of, if it is one."""
    if not asked.sort:
        return "lo"
    key = asked.sort[0]
    if len(asked.sort) > 1 or (key.parameter is not None and not is_main(key.parameter)):
        return None
    return "lo" if key.parameter else {"_id": "id", "_lastUpdated": "updated_at"}[key.code]


def ends_undated(asked: Query) -> bool:
    """Whether the order is by the main date upwards and may hold resources without one, which go last."""
    if not asked.sort or column(asked) != "lo" or asked.sort[0].descending:
        return False
    search = SEARCHES[asked.type]
    dated = any(isinstance(one, Dates) and one.parameter for one in asked.conditions)
    return not _always_dated(asked.type) and not (search.instant and dated)


@cache
def _always_dated(type_: str) -> bool:
    """Whether every resource of the type has its main date, with a beginning."""
    elements = definitions.elements()[type_]
    found = [(path, elements[path.steps[0].name]) for path in parameters(type_)[SEARCHES[type_].date or ""].paths]
    # A choice that must be made may be made for another type than a date.
    return all(
        len(path.steps) == 1 and path.type in INSTANTS and element.get("least") and "choice" not in element
        for path, element in found
    )


def walked_place(asked: Query, visible: Visible) -> int | None:
    """The place of the texts that a whole type is put in order by, along their index."""
    if len(asked.sort) != 1 or fenced(asked, visible):
        return None
    parameter = asked.sort[0].parameter
    walked = parameter is not None and parameter.kind is Kind.STRING and len(parameter.places) == 1
    return parameter.places[0] if parameter and walked else None


def fenced(asked: Query, visible: Visible) -> bool:
    """Whether something is selective enough to collect all matches before they are put in order."""
    if anchor(asked, visible)[0] is not None:
        return False
    return driver(asked, visible) is not None or _only_own(asked, visible)


def driver(asked: Query, visible: Visible) -> Criterion | None:
    """The criterion a search goes by; the others are asked of what it finds."""
    if _only_own(asked, visible):
        return None
    ranked = [(rank, one) for one in asked.conditions if (rank := _rank(one)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _rank(one: Criterion) -> int | None:
    """How selective a kind of criterion is, the most selective first; None for what never drives."""
    match one:
        case IdIn():
            return 0
        case AnyKey():
            return 1 if one.drives else None
        case Beside():
            return 2 if isinstance(one.values[0][1], Text) else RANGES
        case Chain() | Has():
            return 3
    return None


def anchor(asked: Query, visible: Visible) -> tuple[int | None, list[Criterion]]:
    """The key of the longest declared anchor whose parameters each have one outright value, and what it answers."""
    by_id = any(isinstance(one, IdIn) for one in asked.conditions)
    if column(asked) != "lo" or by_id or _only_own(asked, visible):
        return None, []
    single = {one.parameter.code: one for one in asked.conditions if isinstance(one, AnyKey) and _is_outright(one)}
    fitting = [codes for codes in SEARCHES[asked.type].anchors if all(code in single for code in codes)]
    if not fitting:
        return None, []
    codes = max(fitting, key=len)
    covered: list[Criterion] = [single[code] for code in codes]
    if codes[0] in SEARCHES[asked.type].long and len(codes) == 1 and _selects(asked.conditions, covered):
        return None, []
    return anchor_key(asked.type, tuple((code, single[code].forms[0]) for code in codes)), covered


def _selects(conditions: Sequence[Criterion], covered: Sequence[Criterion]) -> bool:
    """Whether something beside what an anchor covers is selective; a range of numbers or dates need not be."""
    ranks = (_rank(one) for one in conditions if one not in covered)
    return any(rank is not None and rank < RANGES for rank in ranks)


def _is_outright(one: AnyKey) -> bool:
    return not one.negated and len(one.forms) == 1 and bool(exact_keys.main_forms(list(one.forms)))


def _only_own(asked: Query, visible: Visible) -> bool:
    """A patient's own rows of a type are few: the patient's index finds them best, whatever else is asked."""
    return isinstance(visible, OnlyPatient) and types()[asked.type].compartment
