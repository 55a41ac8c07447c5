"""What became of each resource: counts by type, and a line in a file for each one that was refused.

A line says where the resource stands and why it was refused, never what it says of a patient.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson
from rich.table import Table

from yuzhen.load.items import Fault, Item

UNKNOWN_TYPE = "?"


@dataclass(slots=True)
class Count:
    """What became of one type's resources."""

    read: int = 0
    entered: int = 0
    there: int = 0
    refused: int = 0


@dataclass(slots=True)
class Report:
    """The account of one load; the file of refusals is made when the first one comes."""

    path: Path
    counts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    _file: IO[bytes] | None = None

    def read(self, found: Item | Fault) -> None:
        """Something stands in a file."""
        self.counts[found.type or UNKNOWN_TYPE].read += 1

    def entered(self, item: Item, *, there: bool = False) -> None:
        """A resource is in the record now, or `there` before."""
        count = self.counts[item.type]
        if there:
            count.there += 1
        else:
            count.entered += 1

    def refused(self, what: Item | Fault, code: str, expression: str = "") -> None:
        """A resource was not entered."""
        self.counts[what.type or UNKNOWN_TYPE].refused += 1
        line = {"file": what.place.file, "place": str(what.place), "type": what.type, "id": what.id, "code": code}
        if expression:
            line["expression"] = expression
        if self._file is None:
            self._file = self.path.open("wb", buffering=0)
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    @property
    def refusals(self) -> int:
        return sum(count.refused for count in self.counts.values())

    def table(self) -> Table:
        """The counts, by type."""
        table = Table("Type", title="Loaded")
        for name in ("read", "entered", "already there", "refused"):
            table.add_column(name, justify="right")
        total = Count()
        for type_, count in sorted(self.counts.items()):
            row = (count.read, count.entered, count.there, count.refused)
            total.read, total.entered = total.read + count.read, total.entered + count.entered
            total.there, total.refused = total.there + count.there, total.refused + count.refused
            table.add_row(type_, *(f"{number:,}" for number in row))
        table.add_section()
        table.add_row("in all", *(f"{n:,}" for n in (total.read, total.entered, total.there, total.refused)))
        return table

    def close(self) -> None:
        """No more refusals come."""
        if self._file is not None:
            self._file.close()
