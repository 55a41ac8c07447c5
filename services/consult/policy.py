"""The rules of online visits in force."""

from datetime import timedelta
from pathlib import Path

from kernel.rules import load

PACK = load(Path(__file__).with_name("rules.toml"))
LONGEST_MESSAGE: int = PACK["CHAT"]["longest_message"]
CLOCK_SKEW = timedelta(minutes=PACK["CHAT"]["clock_skew_minutes"])
PROCESS_RECORDS_YEARS: int = PACK["EMR-01"]["process_records_years"]


def cited(rule: str) -> str:
    """A rule as a refusal names it: pack, rule and source."""
    return f"{PACK.name} {rule}: {PACK[rule].source}"
