"""Which id a resource of another system gets here, always the same one, and how references follow it.

A source's own id is kept where it is a FHIR id. With the name of a source, ids are derived from name, type and id,
since two systems may use one id for two things. https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

import msgspec
import orjson

from kernel.database import PLAIN_ID
from kernel.ids import derived
from record.bundles.links import relinked
from yuzhen.load.items import Group, Item

LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([^/?#\s]+)(/_history/[^/?#\s]+)?")
ABOUT_PATIENT = re.compile(rb'"reference"\s*:\s*"Patient\\?/([A-Za-z0-9\-.]{1,64})[\\/"]')
IDS = re.compile(rb'"reference"\s*:\s*"[A-Z][A-Za-z]+\\?/([^"/\\]+)')
NOT_ENTERED = "urn:not-entered:"
"""What stands for a resource of the same Bundle that the record refused."""

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_join = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Named:
    """A resource as it goes into the record. `id` is empty where the record itself is to find or give it."""

    item: Item
    id: str
    body: bytes

    @property
    def reference(self) -> str:
        return f"{self.item.type}/{self.id}"

    @property
    def patients(self) -> set[str]:
        """Ids of the patients it points at."""
        return {found.decode() for found in ABOUT_PATIENT.findall(self.body)}

    @property
    def hangs_loose(self) -> bool:
        """Whether it points at something of its Bundle that was refused."""
        return NOT_ENTERED.encode() in self.body


@dataclass(slots=True)
class Links:
    """What the fullUrls of a group stand for, and the addresses under which its source keeps resources."""

    references: dict[str, str] = field(default_factory=dict)
    bases: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Naming:
    """Names for one load; `source` is the name of the system it comes from, or empty."""

    source: str = ""

    def id_of(self, item: Item) -> str:
        """The id a resource gets."""
        urn = item.full_url if item.full_url.startswith("urn:") else ""
        if item.id and not (item.posted and urn):
            return self._of(item.type, item.id)
        local = LOCAL.fullmatch("/".join(item.full_url.split("/")[-2:]))
        if local and local[1] == item.type:
            return self._of(item.type, local[2])
        return self._of_urn(urn) if urn else self._derived(f"{item.type} {sha256(item.body).hexdigest()}")

    def links(self, group: Group) -> Links:
        """What the group's fullUrls stand for; those that the record itself must find are not known yet."""
        links = Links()
        for item in group.items:
            if item.full_url and item.criteria is None:
                links.references[item.full_url] = f"{item.type}/{self.id_of(item)}"
            base, _, local = item.full_url.rpartition(f"/{item.type}/")
            if base and local:
                links.bases.add(f"{base}/")
        return links

    def named(self, item: Item, links: Links) -> Named:
        """A resource with its id here and references that fit."""
        id_ = "" if item.criteria is not None else self.id_of(item)
        body = item.body
        if self.source or links.references or links.bases or not self._is_kept(body):
            body = relinked(
                body,
                reference=lambda text: self._reference(text, links),
                link=lambda text: _link(text, links.references),
            )
        return Named(item, id_, body if id_ == item.id and not self.source else self._stamped(body, id_))

    def _is_kept(self, body: bytes) -> bool:
        """Whether no reference can be in need of another id."""
        return all(PLAIN_ID.fullmatch(found.decode()) for found in IDS.findall(body))

    def _of(self, type_: str, id_: str) -> str:
        if self.source or not PLAIN_ID.fullmatch(id_):
            return self._derived(f"{type_}/{id_}")
        return id_

    def _of_urn(self, urn: str) -> str:
        """A UUID is an id already; anything else becomes one."""
        try:
            plain = str(UUID(urn.removeprefix("urn:uuid:")))
        except ValueError:
            plain = ""
        return plain if plain and not self.source else self._derived(urn)

    def _derived(self, name: str) -> str:
        return derived("load", f"{self.source}|{name}")

    def _reference(self, text: str, links: Links) -> str:
        if text in links.references:
            return links.references[text]
        base = next((base for base in links.bases if text.startswith(base)), "")
        local = LOCAL.fullmatch(text.removeprefix(base))
        return f"{local[1]}/{self._of(local[1], local[2])}{local[3] or ''}" if local else text

    def _stamped(self, body: bytes, id_: str) -> bytes:
        """The resource under this id, its source noted; every other byte stays as it came."""
        fields = _split(body)
        wanted = {"id": msgspec.Raw(orjson.dumps(id_))} if id_ else {}
        if not id_:
            fields.pop("id", None)
        if self.source:
            meta = _split(fields["meta"]) if "meta" in fields else {}
            meta["source"] = msgspec.Raw(orjson.dumps(self.source))
            wanted["meta"] = msgspec.Raw(_join(meta))
        return _join(fields | wanted)


def _link(text: str, references: Mapping[str, str]) -> str:
    """An address in the text that stands for a resource of the same Bundle becomes a reference to it."""
    return references.get(text, text) if text.startswith("urn:") else text
