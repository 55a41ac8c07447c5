"""Each kind of search keeps its index; the long proof with 200,000 rows is in tests/prove."""

from kernel.settings import Settings
from tests.record.plans import check_plans


async def test_no_search_reads_a_whole_type(record: Settings) -> None:
    """With some thousands of rows, no declared kind of search scans a partition from end to end."""
    assert await check_plans(record, rows=6000) == []
