"""The booking and queue rules in force, as numbers."""

from datetime import timedelta
from pathlib import Path

from kernel.rules import load

PACK = load(Path(__file__).with_name("rules.toml"))
IDENTITY_NUMBER: str = PACK["BOOK-01"]["identifier_system"]
LONGEST_SLOT = timedelta(minutes=PACK["BOOK-02"]["longest_slot_minutes"])
HOLD_FOR = timedelta(minutes=PACK["HOLD"]["minutes"])
CHECK_IN_OPENS = timedelta(minutes=PACK["CHECK-IN"]["opens_minutes_before_start"])
CHECK_IN_CLOSES = timedelta(minutes=PACK["CHECK-IN"]["closes_minutes_after_end"])
