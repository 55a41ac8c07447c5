"""Rule packs: the law's rules as dated data, read once from `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any


class Stage(StrEnum):
    """When a rule decides."""

    PRESCRIBE = "prescribe"
    SIGN = "sign"
    REVIEW = "review"
    RELEASE = "release"


class Severity(StrEnum):
    """What a broken rule does."""

    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule: where it is written, when it decides, and its numbers and words."""

    id: str
    source: str
    stage: Stage
    severity: Severity
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RulePack:
    """The rules in force from a day on, under one version."""

    id: str
    version: str
    jurisdiction: str
    valid_from: date
    rules: Mapping[str, RuleEntry]

    def at(self, stage: Stage) -> tuple[RuleEntry, ...]:
        """The rules that decide at this stage, in the file's order."""
        return tuple(rule for rule in self.rules.values() if rule.stage is stage)


class NoRulesThatDay(Exception):
    """No rule pack covers this day."""


@cache
def packs() -> tuple[RulePack, ...]:
    """Every pack of the file, oldest first."""
    return parsed(files("services.pharmacy").joinpath("rules.toml").read_text(encoding="utf-8"))


def in_force(day: date) -> RulePack:
    """The pack a decision of this day (hospital's calendar) is held against. Raises NoRulesThatDay."""
    begun = [pack for pack in packs() if pack.valid_from <= day]
    if not begun:
        raise NoRulesThatDay(day.isoformat())
    return begun[-1]


def parsed(text: str) -> tuple[RulePack, ...]:
    """Packs from TOML, oldest first. Raises ValueError or KeyError on an entry that cannot be read."""
    entries = tomllib.loads(text)["pack"]
    return tuple(sorted((_pack(entry) for entry in entries), key=lambda pack: pack.valid_from))


def _pack(entry: Mapping[str, Any]) -> RulePack:
    rules = {id: _rule(id, rule) for id, rule in entry["rule"].items()}
    return RulePack(entry["id"], entry["version"], entry["jurisdiction"], entry["valid_from"], MappingProxyType(rules))


def _rule(id: str, entry: Mapping[str, Any]) -> RuleEntry:
    parameters = MappingProxyType(entry.get("parameters", {}))
    return RuleEntry(id, entry["source"], Stage(entry["stage"]), Severity(entry["severity"]), parameters)
