"""What the links of a transaction's resources point at: other entries, or the one resource that fits a search.

https://hl7.org/fhir/R4/http.html#trules
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.failures import Forbidden
from record.bundles.entries import Entry
from record.bundles.links import relinked
from record.bundles.plan import Plan
from record.failures import BundleTooLarge, LinkUnresolved, TargetUnclear
from record.index.keys import token_forms
from record.interactions.conditional import criteria, the_one
from record.ownership import KEPT_APART, types
from record.visible import visible_to

MOST_SEARCHES = 500
URN = ("urn:uuid:", "urn:oid:")
CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,63})\?(.+)")
MAY_BE_CONDITIONAL = re.compile(rb'"[A-Z][A-Za-z]{1,63}\?|\\')
MAY_BE_URN = re.compile(rb"urn:|\\")
ABSOLUTE = re.compile(r"(https?://.+/)[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")


@dataclass
class Links:
    """The links of one transaction, resolved when an entry's turn comes."""

    plans: Sequence[Plan]
    by: Principal
    now: datetime
    used: set[str] = field(default_factory=set)
    """References that stand in a resource by now."""
    _found: dict[str, str] = field(default_factory=dict)

    async def resolved(self, tx: Transaction, entry: Entry) -> bytes:
        """The entry's resource with references in place of links. Raises LinkUnresolved, TargetUnclear, Forbidden."""
        conditional = _conditional(entry.resource)
        if not (conditional or self._targets or MAY_BE_URN.search(entry.resource)):
            return entry.resource
        for text in sorted(conditional):
            if text not in self._found:
                if len(self._found) >= MOST_SEARCHES:
                    raise BundleTooLarge(f"{MOST_SEARCHES} different conditional references at once are enough.")
                self._found[text] = await self._fitting(tx, text)
        base = ABSOLUTE.fullmatch(entry.full_url or "")
        beside = base[1] if base else ""

        def reference(text: str) -> str:
            return self._found.get(text) or self._reference(text, beside=beside)

        return relinked(entry.resource, reference=reference, link=self._link)

    def point(self, plan: Plan) -> None:
        """Let links to this entry's fullUrl be the resource it has turned out to be."""
        if plan.entry.full_url is not None and plan.id is not None:
            self._targets[plan.entry.full_url] = plan.reference

    @cached_property
    def _targets(self) -> dict[str, str]:
        changes = [plan for plan in self.plans if plan.id is not None and plan.entry.full_url is not None]
        return {plan.entry.full_url or "": plan.reference for plan in changes}

    def _link(self, text: str) -> str:
        target = self._targets.get(text)
        if target is None:
            return text
        self.used.add(target)
        return target

    def _reference(self, text: str, *, beside: str) -> str:
        """A Reference's text; a relative one may name an entry beside its own (https://hl7.org/fhir/R4/bundle.html#references)."""
        if text not in self._targets and f"{beside}{text}" in self._targets:
            text = f"{beside}{text}"
        target = self._link(text)
        if target is text and text.startswith(URN):
            raise LinkUnresolved
        return target

    async def _fitting(self, tx: Transaction, text: str) -> str:
        """The one resource, here already or in this transaction, that a conditional reference means."""
        type_, _, query = text.partition("?")
        rules = types().get(type_)
        if rules is None or type_ in KEPT_APART:
            raise LinkUnresolved("Resources of this type are not kept here.")
        if self.by.role not in rules.readers:
            raise Forbidden
        pairs = criteria(query)
        found = await the_one(tx, type_, pairs, visible=visible_to(self.by), now=self.now)
        fitting = {found.reference} if found else set()
        if len(pairs) == 1 and pairs[0][0] == "identifier":
            fitting |= {plan.reference for plan in self._identified.get((type_, pairs[0][1]), ())}
        if len(fitting) != 1:
            raise TargetUnclear("None fits." if not fitting else "Several fit.")
        self.used |= fitting
        return fitting.pop()

    @cached_property
    def _identified(self) -> dict[tuple[str, str], list[Plan]]:
        """The entries of this transaction by type and each spelling of an identifier."""
        named: dict[tuple[str, str], list[Plan]] = {}
        for plan in self.plans:
            if plan.id is not None and plan.entry.method in {"POST", "PUT"}:
                for form in _identifiers(plan.entry.resource):
                    named.setdefault((plan.type, form), []).append(plan)
        return named


def _conditional(resource: bytes) -> set[str]:
    """The conditional references in a resource."""
    found: set[str] = set()

    def look(text: str) -> str:
        if CONDITIONAL.fullmatch(text):
            found.add(text)
        return text

    if MAY_BE_CONDITIONAL.search(resource):
        relinked(resource, reference=look, link=str)
    return found


def _identifiers(resource: bytes) -> list[str]:
    try:
        said: Any = orjson.loads(resource)
        identifiers = said.get("identifier", ())
        listed = identifiers if isinstance(identifiers, list) else [identifiers]
        return [form for one in listed for form in token_forms(one, "Identifier") if not form.endswith("|")]
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        # Whoever checks the resource says what is wrong with it.
        return []
