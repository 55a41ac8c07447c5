"""Which list a search is read from: the declared ones in date order, unless something else finds less."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from record.search.query import parse
from record.search.route import anchor, fenced
from record.visible import Everything

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "by"),
    [
        ("code=8310-5", ["code"]),
        ("code=8310-5&status=final&date=ge2026&value-quantity:missing=false", ["code"]),
        ("code=8310-5&patient=Patient/1", ["patient", "code"]),
        ("code=8310-5&identifier=1", []),
        ("code=8310-5&patient.name=Ann", []),
        ("code=8310-5&value-quantity=gt38", ["code"]),
        ("code:text=temp&code=8310-5", []),
        ("patient=Patient/1&identifier=1", ["patient"]),
        ("code=8310-5,8867-4", []),
    ],
)
def test_a_long_list_is_read_when_nothing_else_selects(asked: str, by: list[str]) -> None:
    """All observations of one kind are a long list: whatever else selects goes first, but not what matches much."""
    query = parse("Observation", parse_qsl(asked), now=NOW)
    key, covered = anchor(query, Everything())
    assert [one.parameter.code for one in covered] == by  # type: ignore[union-attr]
    assert (key is None) is (not by)
    assert fenced(query, Everything()) is (not by)
