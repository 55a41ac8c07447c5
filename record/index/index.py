"""What a resource can be found by, computed once when it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import Any

from record.index import keys
from record.index.dates import UNDATED, Range
from record.index.parameters import SEARCHES
from record.index.rows import Rows
from record.index.walks import compiled_walks


@dataclass(frozen=True, slots=True)
class Index:
    """The index rows of one version of one resource. Side rows begin with their place and the code and system (as
    keys) they are told with, both None outside a composite's group."""

    keys: tuple[int, ...] = ()
    """Every exact key, those of the declared anchors included."""
    present: tuple[int, ...] = ()
    """Numbers of the parameters that have a value."""
    main: Range = UNDATED
    anchors: tuple[int, ...] = ()
    words: tuple[tuple[int, int | None, int | None, str, str], ...] = ()
    """The plain text, and the text as written."""
    numbers: tuple[
        tuple[int, int | None, int | None, Decimal | None, Decimal | None, str | None, str | None, str | None], ...
    ] = field(default=())
    """Lowest and highest value; the unit's system, code and name."""
    moments: tuple[tuple[int, int | None, int | None, datetime, datetime], ...] = ()


NOTHING = Index()


def index_of(resource: Mapping[str, Any]) -> Index:
    """The index rows of a resource of a declared type."""
    type_ = str(resource["resourceType"])
    rows = Rows()
    compiled_walks(type_).visit(resource, rows)
    anchors = _anchors(type_, rows.forms)
    rows.keys.update(anchors)
    return Index(
        keys=tuple(rows.keys),
        present=tuple(rows.present),
        main=rows.main,
        anchors=anchors,
        words=tuple(rows.words),
        numbers=tuple(rows.numbers),
        moments=tuple(rows.moments),
    )


def _anchors(type_: str, forms: Mapping[str, list[str]]) -> tuple[int, ...]:
    """Keys of the declared anchors, singles and pairs; by outright forms alone."""
    anchors: dict[int, None] = {}
    for codes in SEARCHES[type_].anchors:
        for spelt in product(*(forms.get(code, ()) for code in codes)):
            anchors[anchor_key(type_, tuple(zip(codes, spelt, strict=True)))] = None
    return tuple(anchors)


def anchor_key(type_: str, parts: tuple[tuple[str, str], ...]) -> int:
    """The key of an anchor of one parameter or two."""
    if len(parts) == 1:
        return keys.exact(type_, *parts[0])
    return keys.pair(type_, *parts)
