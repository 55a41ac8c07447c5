"""A batch: its entries go to their rooms, a few at a time, and each is answered for itself.

https://hl7.org/fhir/R4/http.html#transaction
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import orjson
from fastapi.responses import Response

from gateway.forwarding import Corridor, own_headers
from gateway.routing import room_for
from kernel.failures import Busy, Failure, Invalid, Unknown
from kernel.http import FHIR_JSON
from kernel.ids import derived
from record.bundles.answers import answered, assembled
from record.bundles.entries import Entry, at_entry
from record.read import MOST_BYTES

AT_ONCE = 4
WITHIN = 60.0
"""Seconds after which no further entry is begun."""
HANDED_ON = frozenset({"authorization", "accept-language", "prefer"})
KEPT = "".join(chr(n) for n in range(32, 127))


class PlaceUnknown(Unknown):
    """Nothing lives at this address inside a batch. GET /fhir/metadata lists what does."""

    code = "address-unknown"


class NotBegun(Busy):
    """The batch took too long, so this entry was not begun. Send it again."""

    code = "not-begun"


class AnswerTooLarge(Invalid):
    """The batch's answer is too large already, so this entry was not begun. Ask for less at once."""

    issue, code = "too-costly", "answer-too-large"


@dataclass
class Batch:
    """One batch on its way through the house."""

    corridors: Mapping[str, Corridor]
    headers: Mapping[str, str]
    """The headers of the request that brought the batch."""
    origin: str
    base: str
    """The public address that ends in /fhir."""
    request_id: str
    """The batch's name; each entry's request has it with the entry's number."""
    _size: int = 0
    _until: float = 0.0

    async def answer(self, entries: Sequence[bytes]) -> bytes:
        """The batch-response: an answer for each entry, in their order."""
        self._until = asyncio.get_running_loop().time() + WITHIN
        answers: list[bytes] = [b""] * len(entries)
        waiting = enumerate(entries)
        await asyncio.gather(*(self._work(waiting, answers) for _ in range(AT_ONCE)))
        return assembled("batch-response", answers)

    async def _work(self, waiting: Iterator[tuple[int, bytes]], answers: list[bytes]) -> None:
        for n, raw in waiting:
            answers[n] = await self._answered(n, raw)
            self._size += len(answers[n])

    async def _answered(self, n: int, raw: bytes) -> bytes:
        try:
            with at_entry(n):
                self._may_begin()
                answer = await self._sent(Entry.read(raw, n, base=self.base))
                return answered(answer.status_code, answer.headers, bytes(answer.body))
        except Failure as failure:
            return answered(failure.status, {"content-type": FHIR_JSON}, orjson.dumps(failure.outcome()))

    def _may_begin(self) -> None:
        if self._size > MOST_BYTES:
            raise AnswerTooLarge
        if asyncio.get_running_loop().time() > self._until:
            raise NotBegun

    async def _sent(self, entry: Entry) -> Response:
        path = f"/fhir/{entry.path}"
        owner = room_for(path)
        if owner is None or path == "/fhir/metadata":
            raise PlaceUnknown
        body, media_type = entry.content
        headers = self._headers(entry, media_type)
        return await self.corridors[owner].send(entry.method, f"/fhir/{entry.address}", headers=headers, body=body)

    def _headers(self, entry: Entry, media_type: str) -> dict[str, str]:
        headers = {name: value for name, value in self.headers.items() if name in HANDED_ON}
        own = {
            "accept": FHIR_JSON,
            "content-type": media_type,
            "if-match": entry.if_match,
            "if-none-match": entry.if_none_match,
            "if-none-exist": entry.if_none_exist,
            "if-modified-since": entry.if_modified_since,
        }
        # A header is ASCII; criteria are read as an address is, so what is not ASCII can be escaped.
        headers |= {name: quote(value, safe=KEPT) for name, value in own.items() if value}
        if key := self.headers.get("idempotency-key"):
            headers["idempotency-key"] = derived("batch-entry", f"{key}/{entry.n}")
        return headers | own_headers(self.origin, f"{self.request_id}-{entry.n}")
