"""The long proof that searches keep their indexes, over 200,000 slots and as many appointments.

Run it with `python -m tests.prove.record_plans`.
"""

import asyncio
import sys

from tests.record.plans import KINDS, check_plans
from tests.support.record import migrated_record

ROWS = 200_000


def main() -> int:
    """Print every fault; 1 when there is any."""
    with migrated_record() as settings:
        faults = asyncio.run(check_plans(settings, rows=ROWS))
    print("\n\n".join(faults) or f"{len(KINDS)} kinds of search keep their index at {ROWS} rows.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
