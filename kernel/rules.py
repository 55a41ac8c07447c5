"""Rules as dated, versioned data: a decision names the pack and the rule, so that it can be explained years later."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DatedRule:
    """One rule: where it comes from, how hard it binds, and its numbers."""

    id: str
    source: str
    severity: str
    parameters: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


@dataclass(frozen=True, slots=True)
class RulePack:
    """A set of rules of one jurisdiction, in force from a day on."""

    id: str
    version: str
    jurisdiction: str
    valid_from: date
    rules: Mapping[str, DatedRule]

    def __getitem__(self, rule: str) -> DatedRule:
        return self.rules[rule]

    @property
    def name(self) -> str:
        """What a decision stores beside its rule's id."""
        return f"{self.id}@{self.version}"


def load(file: Path) -> RulePack:
    """Read a pack from its TOML file."""
    pack = tomllib.loads(file.read_text())
    rules = {id_: _rule(id_, entry) for id_, entry in pack["rules"].items()}
    return RulePack(pack["id"], pack["version"], pack["jurisdiction"], pack["valid_from"], rules)


def _rule(id_: str, entry: Mapping[str, Any]) -> DatedRule:
    parameters = {name: value for name, value in entry.items() if name not in {"source", "severity"}}
    return DatedRule(id_, entry["source"], entry["severity"], parameters)
