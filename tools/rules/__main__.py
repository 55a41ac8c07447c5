"""Run every rule over the tree: `python -m tools.rules`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.rules import (
    commit_at_edge,
    guarded_routes,
    injected_clock,
    no_traces,
    places,
    quiet_logs,
    sizes,
    words,
)
from tools.rules.source import Finding, Source, house

RULES = (commit_at_edge, injected_clock, guarded_routes, quiet_logs, places, words, sizes, no_traces)
NAMES = {rule.NAME for rule in RULES}


def findings(sources: Sequence[Source]) -> list[Finding]:
    """What the rules say about a tree, after its excuses; a poor excuse is a finding itself."""
    found = {finding for rule in RULES for finding in rule.check(sources)}
    for source in sources:
        for lines, rule, reason in source.excuses():
            excused = {f for f in found if (f.path, f.rule) == (source.path, rule) and set(f.lines) & set(lines)}
            found -= excused
            if fault := _fault(rule, reason, excused=bool(excused)):
                found.add(source.finding(lines[0], "excuses", fault))
    return sorted(found)


def _fault(rule: str, reason: str, *, excused: bool) -> str:
    if rule not in NAMES:
        return f"there is no rule '{rule}'; the rules are {', '.join(sorted(NAMES))}"
    if not reason:
        return f"say why: '# rule: {rule} because ...'"
    return "" if excused else f"nothing here breaks '{rule}' any more: take the excuse away"


def main() -> int:
    """Print every finding; 1 when there are any."""
    found = findings(house(Path()))
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
