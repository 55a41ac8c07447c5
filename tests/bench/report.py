"""The figures as tables that a person can read and paste."""

from collections.abc import Callable, Iterable, Sequence

from tests.bench.ceiling import Ceiling
from tests.bench.flatness import Flat
from tests.bench.loads import CLIENTS, Load, Run, median
from tests.bench.race import Race
from tests.bench.split import Cost, Split

ASKED_RATE, FIRST_RATE, PROMISED_RATE = 333, 355, 450
MIXED_RATE, STRETCH_RATE, MIXED_P99 = 800, 1300, 60
"""Requests a second (HAPI's published figure for each core, Aidbox's), milliseconds."""
ENOUGH_OTHERS = 0.10


def heading(text: str, columns: str) -> str:
    """A heading and a table's first two lines."""
    names = columns.split(" | ")
    return f"\n## {text}\n\n| {' | '.join(names)} |\n|{' --- |' * len(names)}"


def load_line(load: Load, runs: Sequence[Run]) -> str:
    """One load: what it may cost and what it costs."""
    own = median(list(runs), lambda r: r.milliseconds("gateway", *load.rooms))
    parts = [median(list(runs), lambda r, part=part: r.milliseconds(*part)) for part in (("gateway",), load.rooms)]  # type: ignore[misc]
    sql = median(list(runs), lambda r: r.milliseconds(*load.sql))
    rate, p50, p99 = (
        median(list(runs), f) for f in (lambda r: r.rate, lambda r: r.latency(0.5), lambda r: r.latency(0.99))
    )
    wrong = sum(sum(r.wrong.values()) for r in runs)
    asked = f"{load.goal:.2f}" + (f" / {load.first_landing:.2f}" if load.first_landing else "")
    return (
        f"| {load.name} | {asked} | **{own:.2f}** {_verdict(own, load)} "
        f"| {parts[0]:.2f} + {parts[1]:.2f} | {sql:.2f} | {rate:,.0f} | {p50:.1f} / {p99:.1f} | {wrong} |"
    )


def _verdict(own: float, load: Load) -> str:
    return "goal" if own <= load.goal else "first landing" if own <= load.first_landing else "over"


def mixed_line(load: Load, runs: Sequence[Run]) -> str:
    """The mixture: what sixteen clients get done, and what each part of the platform spends on it."""
    figures: dict[str, Callable[[Run], float]] = {
        "rate": lambda r: r.rate,
        "p50": lambda r: r.latency(0.5),
        "p99": lambda r: r.latency(0.99),
        "own": lambda r: r.milliseconds("gateway", *load.rooms),
        "sql": lambda r: r.milliseconds(*load.sql, "postgres"),
        "client": lambda r: r.milliseconds("client"),
    }
    is_ = {name: median(list(runs), figure) for name, figure in figures.items()}
    verdict = "stretch" if is_["rate"] >= STRETCH_RATE else "asked" if is_["rate"] >= MIXED_RATE else "below"
    return (
        f"\n{CLIENTS} clients, {load.name}: **{is_['rate']:,.0f} requests/s** {verdict}"
        f" ({MIXED_RATE} asked, {STRETCH_RATE:,} the stretch);"
        f" p50 {is_['p50']:.1f} ms, p99 **{is_['p99']:.1f} ms** ({MIXED_P99} at most)."
        f" CPU for each: gateway and rooms {is_['own']:.2f} ms, PostgreSQL {is_['sql']:.2f} ms,"
        f" client {is_['client']:.2f} ms; {sum(sum(r.wrong.values()) for r in runs)} wrong."
    )


def flat_line(one: Flat) -> str:
    """One kind of request in the small record and in the large one."""
    return (
        f"| {one.load.name} | {one.small:.2f} | {one.large:.2f} | **{one.ratio:.2f}**{'' if one.holds else ' over'} |"
    )


def parts_line(load: Load, runs: Sequence[Run]) -> str:
    """One load: milliseconds of CPU for each answer, by process."""
    all_runs = list(runs)
    named = {"gateway", *load.rooms, *load.sql, "consult", "consult sql", "postgres", "valkey", "client"}

    def cost(*parts: str) -> float:
        return median(all_runs, lambda r: r.milliseconds(*parts))

    others = median(all_runs, lambda r: r.milliseconds(*(set(r.spent.parts) - named)))
    consult = cost("consult", "consult sql") if "consult" not in load.rooms else 0.0
    strangers = median(all_runs, lambda r: r.spent.elsewhere / r.seconds)
    figures = (cost("gateway"), cost(*load.rooms), cost(*load.sql), consult, cost("postgres"), cost("valkey"))
    shown = " | ".join(f"{figure:.2f}" for figure in (*figures, others, cost("client")))
    return f"| {load.name} | {shown} | {strangers:.2f} |"


def quiet_or_not(runs: Iterable[Sequence[Run]]) -> str:
    """Whether the machine was ours alone, in words."""
    strangers = median([run for some in runs for run in some], lambda r: r.spent.elsewhere / r.seconds)
    if strangers <= ENOUGH_OTHERS:
        return ""
    return (
        f"\n**Other programs used {strangers:.2f} cores meanwhile (median): rates are lower than the platform's own,"
        " latencies and CPU higher. Repeat on a quiet machine.**"
    )


def booking_lines(runs: Sequence[Run], bare: Ceiling) -> Iterable[str]:
    """The platform beside bare PostgreSQL."""
    rates = sorted(r.rate for r in runs)
    top = sorted(bare.rates)
    middle, bare_middle = rates[len(rates) // 2], top[len(top) // 2]
    answer = "promise" if middle >= PROMISED_RATE else "first landing" if middle >= FIRST_RATE else "below"
    yield (
        f"| bookings/s through the gateway, {CLIENTS} clients, 32 doctors | {PROMISED_RATE} promised, "
        f"{FIRST_RATE} first landing, never below {ASKED_RATE} | **{middle:,.0f}** ({_span(rates)}) {answer} |"
    )
    yield (
        f"| bookings/s, pgbench, the same {len(bare.statements)} statements, {CLIENTS} clients | (ceiling)"
        f" | {bare_middle:,.0f} ({_span(top)}) |"
    )
    yield f"| share of the ceiling | | {middle / bare_middle:.0%} |"
    yield f"| PostgreSQL CPU for a booking, pgbench | | {sorted(bare.cpu)[len(bare.cpu) // 2]:.2f} ms |"


def _span(ordered: Sequence[float]) -> str:
    return f"{ordered[0]:,.0f} to {ordered[-1]:,.0f}"


def race_line(places: int, done: Race) -> str:
    """A race: what must be and what was."""
    asked = "1 x 201, 15 x 409 slot-taken" if places == 1 else f"{places} x 201"
    answers = ", ".join(f"{count:,} x {word}" for word, count in sorted(done.answers.items()))
    return (
        f"| {CLIENTS} callers, {places} free, {done.rounds} rounds | {asked} each round, 0 deadlocks "
        f"| {answers}; {done.odd_rounds} rounds otherwise; {done.deadlocks} deadlocks; {done.booked_twice} booked twice"
        f" | {'yes' if done.sound else '**NO**'} |"
    )


def split_tables(one: Split) -> Iterable[str]:
    """Statements, layers and functions of one profiled load."""
    yield heading(f"{one.load.name}: statements", "ms per answer | times per answer | statement")
    yield from (f"| {c.share:.3f} | {c.times:.2f} | `{c.name}` |" for c in one.statements)
    for room, costs in one.layers.items():
        total = one.run.milliseconds(room)
        yield heading(f"{one.load.name}: {room} by package ({total:.2f} ms)", "ms per answer | share | package")
        yield from (_line(cost, total) for cost in costs)
        yield heading(f"{one.load.name}: {room} by function, with what it calls", "ms per answer | share | function")
        yield from (_line(cost, total) for cost in one.functions[room])


def _line(cost: Cost, total: float) -> str:
    return f"| {cost.share * total:.3f} | {cost.share:.1%} | {cost.name} |"
