"""FHIR's search rules read plainly in Python: what the record's answers are held against."""

from collections.abc import Callable
from typing import Any

from record.index import dates, words


def matches(resource: dict[str, Any], name: str, value: str) -> bool:
    """Whether FHIR's rules, read plainly, let a resource match one parameter."""
    code, _, modifier = name.partition(":")
    found = VALUES[resource["resourceType"], code](resource)
    if modifier == "missing":
        return (not found) is (value == "true")
    options = value.split(",")
    if modifier == "not":
        return not any(_token(one, option) for one in found for option in options)
    compare = KINDS[code]
    return any(compare(one, option if not modifier else (modifier, option)) for one in found for option in options)


def _token(one: dict[str, str], option: str) -> bool:
    system, bar, code = option.rpartition("|")
    if not bar:
        return one.get("code") == code
    return one.get("system", "") == system and (not code or one.get("code") == code)


def _reference(one: str, option: str) -> bool:
    return one in {option, f"Patient/{option}", f"Practitioner/{option}"}


def _string(one: str, option: Any) -> bool:
    modifier, text = option if isinstance(option, tuple) else ("", option)
    if modifier == "exact":
        return bool(one == text)
    plain, asked = words.plain(one), words.plain(text)
    return asked in plain if modifier == "contains" else plain.startswith(asked)


def _date(one: str, option: str) -> bool:
    prefix = option[:2] if option[:2].isalpha() else "eq"
    q, r = dates.read(option.removeprefix(prefix)), dates.read(one)
    inside = q.lo <= r.lo and r.hi <= q.hi
    holds: dict[str, bool] = {
        "eq": inside,
        "ne": not inside,
        "gt": r.hi > q.hi,
        "lt": r.lo < q.lo,
        "ge": r.hi > q.hi or inside,
        "le": r.lo < q.lo or inside,
        "sa": r.lo >= q.hi,
        "eb": r.hi <= q.lo,
    }
    return holds[prefix]


def _actors(kind: str) -> Callable[[dict[str, Any]], list[Any]]:
    def find(resource: dict[str, Any]) -> list[Any]:
        actors = [one["actor"]["reference"] for one in resource["participant"]]
        return [actor for actor in actors if actor.startswith(kind)]

    return find


VALUES: dict[tuple[str, str], Callable[[dict[str, Any]], list[Any]]] = {
    ("Appointment", "patient"): _actors("Patient/"),
    ("Appointment", "practitioner"): _actors("Practitioner/"),
    ("Appointment", "actor"): _actors(""),
    ("Appointment", "status"): lambda r: [{"code": r["status"]}],
    ("Appointment", "service-type"): lambda r: [c for one in r.get("serviceType", []) for c in one["coding"]],
    ("Appointment", "date"): lambda r: [r["start"]] if "start" in r else [],
    ("Patient", "name"): lambda r: [name["text"] for name in r.get("name", [])],
    ("Patient", "gender"): lambda r: [{"code": r["gender"]}],
    ("Patient", "birthdate"): lambda r: [r["birthDate"]] if "birthDate" in r else [],
}
KINDS: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("patient", "practitioner", "actor"), _reference),
    **dict.fromkeys(("status", "service-type", "gender"), _token),
    **dict.fromkeys(("date", "birthdate"), _date),
    "name": _string,
}
