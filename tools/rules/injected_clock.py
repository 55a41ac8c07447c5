"""injected-clock: the present time and new ids are handed in, never fetched.

A visit must play the same at 03:00, on a Sunday and on 29 February, and a job that runs twice must do one thing;
both can only be tested when kernel.clock and kernel.ids are the only sources of now and new.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from tools.rules.names import bindings, literal, resolved
from tools.rules.source import Finding, Source

NAME = "injected-clock"
ALLOWED = ("kernel/clock.py", "kernel/ids.py", "services/consult/rtc/", "yuzhen/demo.py", "yuzhen/demo/")
NOW = {f"datetime.{call}" for call in ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")}
NOW |= {"time.time", "time.time_ns"}
NEW = {f"uuid.uuid{version}" for version in (1, 4, 6, 7)}
SQL = re.compile(r"\b(select|insert|update|delete|create|alter|default)\b", re.IGNORECASE)
SQL_NOW = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|gen_random_uuid|uuidv7)\s*\(\s*\)"
    r"|\bcurrent_(timestamp|date)\b",
    re.IGNORECASE,
)


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Every place that asks the machine, or the database, for the time or for chance."""
    for source in sources:
        if source.is_product and not source.path.startswith(ALLOWED):
            bound = bindings(source.tree)
            for node in ast.walk(source.tree):
                if message := _wrong(node, bound):
                    yield source.finding(node, NAME, message)


def _wrong(node: ast.AST, bound: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute | ast.Name):
        name = resolved(node, bound)
        if name in NOW:
            return f"{name} reads the machine's clock: take a kernel.clock.Clock and ask clock.now()"
        if name in NEW:
            return f"{name} makes an id by itself: take kernel.ids.Ids and ask ids.new(), or derive it"
    said = literal(node)
    if said and SQL.search(said) and (found := SQL_NOW.search(said)):
        return f"{found[0]} in SQL reads the database's clock or chance: pass the value as a parameter"
    return ""
