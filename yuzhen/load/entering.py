"""Resources go into the record by transactions; what stands in a transaction's way is taken out and accounted for.

Each resource is put under its own id, only if nothing is there. So whatever dies, and however often a load is begun,
nothing is entered twice. What is there already must be the same resource: else another one has its id.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from yuzhen.load.gateway import Answer, Gateway, code
from yuzhen.load.items import Place
from yuzhen.load.naming import NOT_ENTERED, Named
from yuzhen.load.report import Report

PLACE = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource)?(.*)")
THERE = frozenset({"exists-already", "id-taken"})
"""Refusals of what is in the record, or came into it at this moment."""
ALL_NAMED = "several-owners"
"""A refusal that names entries which are not at fault themselves."""
PATIENCE = 5
"""Faulty resources taken out of one transaction before the rest is sent one by one."""
GIVEN_BY_RECORD = ("versionId", "lastUpdated")

Json = dict[str, Any]


@dataclass(slots=True)
class Entering:
    """What one load has entered so far. `refused_patients` are ids here; what belongs to them is refused as well."""

    gateway: Gateway
    report: Report
    refused_patients: set[str] = field(default_factory=set)
    found: dict[Place, str] = field(default_factory=dict)
    """What was entered, or found, by criteria: the reference it has here, or NOT_ENTERED."""
    _asks_first: bool = False
    """What came last was there already, so the next is looked for before it is sent."""

    async def enter(self, chunk: Sequence[Named]) -> None:
        """Enter these resources. Raises Stopped."""
        rest = [one for one in chunk if self._may_come(one)]
        if self._asks_first:
            rest = await self._absent(rest)
        taken_out = 0
        while rest:
            if len(rest) > 1 and taken_out > PATIENCE:
                return await self._in_parts(rest, 1)
            answer = await self.gateway.transaction([_entry(one) for one in rest])
            if answer.status == 200:
                return self._entered(rest, answer)
            before = len(rest)
            if not THERE.isdisjoint(answer.codes):
                rest = await self._absent(rest)
            if len(rest) == before:
                rest = self._without_faulty(rest, answer)
                taken_out += 1
            if len(rest) == before:
                return await self._in_parts(rest, (before + 1) // 2)

    async def _in_parts(self, rest: Sequence[Named], size: int) -> None:
        for start in range(0, len(rest), size):
            await self.enter(rest[start : start + size])

    def _may_come(self, one: Named) -> bool:
        """Whether nothing it belongs to was refused; else it is refused here."""
        if one.hangs_loose:
            self._refuse(one, "points-at-refused")
            return False
        if one.item.type != "Patient" and not one.patients.isdisjoint(self.refused_patients):
            self._refuse(one, "patient-refused")
            return False
        return True

    def _entered(self, rest: Sequence[Named], answer: Answer) -> None:
        for one, entry in zip(rest, answer.resource["entry"], strict=True):
            response = entry["response"]
            self.report.entered(one.item, there=response["status"].startswith("200"))
            if not one.id:
                self.found[one.item.place] = "/".join(response["location"].split("/_history/")[0].split("/")[-2:])

    def _without_faulty(self, rest: list[Named], answer: Answer) -> list[Named]:
        """The resources but for those the refusal names, or the only one that was sent."""
        faulty = _named_in(answer)
        if len(rest) == 1 and not faulty:
            issue = next(iter(answer.issues), {})
            faulty = {0: (code(issue) or f"status-{answer.status}", "")}
        for number, (why, expression) in faulty.items():
            place = f"{rest[number].item.type}{expression}" if expression else ""
            self._refuse(rest[number], why, place)
        return [one for number, one in enumerate(rest) if number not in faulty]

    def _refuse(self, one: Named, why: str, expression: str = "") -> None:
        self.report.refused(one.item, why, expression)
        if not one.id:
            self.found[one.item.place] = NOT_ENTERED
        elif one.item.type == "Patient":
            self.refused_patients.add(one.id)

    async def _absent(self, rest: Sequence[Named]) -> list[Named]:
        """Those of which the record holds none; the others are accounted for."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for one in rest:
            if one.id:
                wanted[one.item.type].append(one.id)
        found = await asyncio.gather(*(self.gateway.present(type_, ids) for type_, ids in wanted.items()))
        there = {f"{standing['resourceType']}/{standing['id']}": standing for many in found for standing in many}
        for one in rest:
            if one.id and one.reference in there:
                await self._account(one, there[one.reference])
        self._asks_first = bool(there)
        return [one for one in rest if not one.id or one.reference not in there]

    async def _account(self, one: Named, standing: Json) -> None:
        """Something has this id already: this very resource, as it once came in, or another one."""
        sent = orjson.loads(one.body)
        version = str(standing["meta"]["versionId"])
        if not is_same(sent, standing) and version != "1":
            standing = await self.gateway.version(one.reference, "1")
        if is_same(sent, standing):
            self.report.entered(one.item, there=True)
        else:
            self._refuse(one, "id-taken", f"{one.item.type}.id")


def _named_in(answer: Answer) -> dict[int, tuple[str, str]]:
    """Number of each entry that a refusal names, with the code and the place inside the resource."""
    faulty: dict[int, tuple[str, str]] = {}
    for issue in answer.issues:
        place = PLACE.fullmatch(next(iter(issue.get("expression", ())), ""))
        if place and code(issue) != ALL_NAMED:
            faulty.setdefault(int(place[1]), (code(issue), place[2]))
    return faulty


def _entry(one: Named) -> bytes:
    request = {"method": "PUT", "url": one.reference, "ifNoneMatch": "*"}
    if one.item.criteria is not None:
        request = {"method": "POST", "url": one.item.type, "ifNoneExist": one.item.criteria}
    full_url = b'"fullUrl":' + orjson.dumps(one.item.full_url) + b"," if not one.id and one.item.full_url else b""
    return b"{" + full_url + b'"resource":' + one.body + b',"request":' + orjson.dumps(request) + b"}"


def is_same(sent: Json, standing: Json) -> bool:
    """Whether the record holds what was sent, apart from what the record itself gives."""
    return _alike(_bare(sent), _bare(standing))


def _bare(resource: Json) -> Json:
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in GIVEN_BY_RECORD}
    return {name: value for name, value in resource.items() if name != "meta"} | ({"meta": meta} if meta else {})


def _alike(one: Any, other: Any) -> bool:
    """Equal, but that a reference by a search has become one by id."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            (name == "reference" and "?" in str(value)) or _alike(value, other[name]) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
