"""The rules of prescriptions in force, and when each of them decides."""

from enum import StrEnum
from pathlib import Path

from kernel.rules import DatedRule, RulePack, load

PACK = load(Path(__file__).with_name("rules.toml"))


class Stage(StrEnum):
    """When a rule decides."""

    PRESCRIBE = "prescribe"
    SIGN = "sign"
    REVIEW = "review"
    RELEASE = "release"


def decided_at(stage: Stage, pack: RulePack = PACK) -> tuple[DatedRule, ...]:
    """The rules of a pack that decide at this stage, in the file's order."""
    return tuple(rule for rule in pack.rules.values() if rule["stage"] == stage.value)
