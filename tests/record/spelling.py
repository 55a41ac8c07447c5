"""Values as a search spells them, to the letter or nearly."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

from record.index import dates
from tests.record.comparing import EXACT, codings, form_of, has_number, is_contact, is_shaped, span, spans, strings

PREFIXES = ("", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
MARKS = re.compile(r"([,|$\\])")
FORMS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")
LAST = dates.END - timedelta(days=400)
SHIFTS = (timedelta(0), timedelta(0), timedelta(days=1), timedelta(seconds=-1))


def escaped(text: str) -> str:
    """A text as a search spells it."""
    return MARKS.sub(r"\\\1", text)


@dataclass(slots=True)
class Speller:
    """Spells values, each kind of parameter its own way."""

    chance: random.Random

    def spellings(self, kind: str, modifier: str, value: Any) -> list[str]:
        """Spellings that a value is found by, or nearly."""
        if kind == "composite":
            return self._composite(*value)
        found: Sequence[str] = getattr(self, f"_{kind}")(value, modifier)
        return [text for text in found if text.strip(" ,|\\")]

    def _token(self, value: Any, modifier: str) -> list[str]:
        if modifier == "text":
            return [escaped(self._part(text)) for text in _told(value)]
        if modifier == "of-type":
            return list(_of_type(value))
        forms: list[str] = []
        for system, code in codings(value):
            forms += [escaped(code)] if code else []
            if not is_contact(value) and not isinstance(value, str | bool):
                forms += self._forms(escaped(system or ""), escaped(code or ""))
        return forms

    def _forms(self, system: str, code: str) -> list[str]:
        forms = [f"|{code}"] if code else []
        forms += [f"{system}|{code}", f"urn:other|{code}"] if system and code else []
        return forms + ([f"{system}|"] if system else [])

    def _part(self, text: str) -> str:
        start = self.chance.randrange(len(text))
        return text[start : start + self.chance.randint(1, 12)].strip() or text

    def _string(self, value: Any, modifier: str) -> list[str]:
        return [escaped(self._text(text, modifier)) for text in strings(value)]

    def _text(self, text: str, modifier: str) -> str:
        if modifier == "contains":
            return self._part(text)
        near = (text[:-1] or text) if modifier == "exact" else text[: self.chance.randint(1, len(text))]
        return self.chance.choice((text, text.upper(), near, text[1:] or text))

    def _reference(self, value: Any, modifier: str) -> list[str]:
        if modifier == "identifier":
            return self._token(value["identifier"], "") if isinstance(value, dict) and "identifier" in value else []
        form = form_of(value)
        if form is None:
            return []
        bare = [form.split("/")[1]] if re.fullmatch(r"[A-Z]\w+/[A-Za-z0-9.-]+", form) else []
        return bare if modifier else [escaped(form)]

    def _uri(self, value: str, _: str) -> list[str]:
        return [escaped(value), escaped(value[:-1])]

    def _date(self, value: Any, _: str) -> list[str]:
        ends = [at for one in spans(value) for at in (one.lo, one.hi) if dates.BEGINNING < at < LAST]
        near = [at + self.chance.choice(SHIFTS) for at in ends if at.year > 1000]
        return [self.chance.choice(PREFIXES) + at.strftime(self.chance.choice(FORMS)) for at in near]

    def _number(self, value: Any, _: str) -> list[str]:
        if not has_number(value):
            return []
        exact = self.chance.choice([end for end in span(value) if end.is_finite()])
        with localcontext(EXACT):
            near = self.chance.choice((exact, exact, exact + 1, exact * 2, round(exact, 1), exact - Decimal("0.01")))
        return [self.chance.choice((*PREFIXES, "ap")) + str(near)]

    def _quantity(self, value: Any, modifier: str) -> list[str]:
        units = ["", *_units(value)]
        return [number + self.chance.choice(units) for number in self._number(value, modifier)]

    def _composite(self, tokens: list[Any], others: list[Any], kind: str) -> list[str]:
        first = [text for one in tokens for text in self.spellings("token", "", one) if _is_outright(text)]
        second = [text for one in others for text in self.spellings(kind, "", one) if _is_outright(text)]
        return [f"{self.chance.choice(first)}${text}" for text in second] if first else []


def _is_outright(text: str) -> bool:
    return text[0] != "|" and text[-1] != "|"


def _told(value: Any) -> list[str]:
    found = [value, *value.get("coding", ())] if isinstance(value, dict) else []
    return [one[name] for one in found for name in ("text", "display") if one.get(name)]


def _of_type(value: Any) -> list[str]:
    typed = value.get("type", {}).get("coding", ()) if is_shaped(value, "Identifier") else ()
    parts = ((one["system"], one["code"], value["value"]) for one in typed if "system" in one)
    return ["|".join(map(escaped, part)) for part in parts]


def _units(value: Mapping[str, Any]) -> list[str]:
    if "currency" in value:
        return [f"|urn:iso:std:iso:4217|{value['currency']}", f"||{value['currency']}", "||CHF"]
    told = value.get("low") or value.get("high") or value.get("origin") or value
    units = [f"||{escaped(told[part])}" for part in ("code", "unit") if part in told]
    both = "system" in told and "code" in told
    return units + ([f"|{escaped(told['system'])}|{escaped(told['code'])}"] if both else [])
