"""The rules of the patient's record in force."""

from pathlib import Path

from kernel.rules import load

PACK = load(Path(__file__).with_name("rules.toml"))
IDENTITY_NUMBER: str = PACK["BOOK-01"]["identifier_system"]
LARGEST_UPLOAD: int = PACK["UPLOAD"]["largest_bytes"]
UPLOAD_TYPES: frozenset[str] = frozenset(PACK["UPLOAD"]["content_types"])
KEPT_YEARS: int = PACK["EMR-01"]["outpatient_record_years"]


def cited(rule: str) -> str:
    """A rule as a refusal names it: pack, rule and source."""
    return f"{PACK.name} {rule}: {PACK[rule].source}"
