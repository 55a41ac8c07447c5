"""What each kind of request costs in a small town and in a large one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.city import City
from tests.bench.filling import fill
from tests.bench.loads import Load, Run, median, run, warm
from tests.bench.platform import Platform
from tests.bench.town import Town
from tests.bench.town_loads import MIXED, TOWN_LOADS

MOST = 1.5
"""Times the cost in the small town that the large one may cost."""
Runs = Mapping[Load, list[Run]]


@dataclass(frozen=True, slots=True)
class Flat:
    """One kind of request in both towns: milliseconds of CPU of gateway, room and the room's SQL."""

    load: Load
    small: float
    large: float

    @property
    def ratio(self) -> float:
        return self.large / self.small

    @property
    def holds(self) -> bool:
        return self.ratio <= MOST


async def grow(platform: Platform, city: City, size: int) -> None:
    """Let the town grow to this size."""
    async with platform.admin() as admin:
        await fill(platform.settings, Town(size), before=city.town, admin=admin)
    city.town = Town(size)


async def measured(
    platform: Platform, city: City, *, seconds: float, repeat: int, told: Callable[[Load, list[Run]], None]
) -> Runs:
    """Ask everything of the town, the mixture last."""
    runs: dict[Load, list[Run]] = {}
    for load in (*TOWN_LOADS, MIXED):
        await warm(platform, city, load)
        runs[load] = [await run(platform, city, load, seconds=seconds) for _ in range(repeat)]
        told(load, runs[load])
    return runs


def compared(small: Runs, large: Runs) -> Iterator[Flat]:
    """Both towns beside each other, kind by kind."""
    yield from (Flat(load, _cost(load, small[load]), _cost(load, large[load])) for load in TOWN_LOADS)


def _cost(load: Load, runs: Sequence[Run]) -> float:
    return median(list(runs), lambda r: r.milliseconds("gateway", *load.rooms, *load.sql))
