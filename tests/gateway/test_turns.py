"""One person's many requests wait for one another, and nobody else waits for them."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.turns import AT_ONCE, MOST_WAITING, TooManyAtOnce, Turns
from kernel.auth.principal import Principal, Role


def person(account: str, role: Role = Role.PATIENT) -> Principal:
    """Someone who has signed in."""
    return Principal(account, role, f"Patient/{account}", (), "", "t", datetime(2030, 1, 1, tzinfo=UTC))


class Work:
    """Requests that last until they are let go."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._end = asyncio.Event()
        self.under_way = 0
        self.most = 0
        self.done = 0

    async def request(self, by: Principal) -> None:
        async with self._turns.turn(by):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await self._end.wait()
            self.under_way -= 1
        self.done += 1

    async def begin(self, by: Principal, count: int) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.request(by)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks

    def let_go(self) -> None:
        self._end.set()


async def test_the_ninth_request_of_a_person_waits_and_another_person_does_not() -> None:
    """Eight at once, the rest one after the other; all are done in the end."""
    turns = Turns()
    first, second = Work(turns), Work(turns)
    tasks = await first.begin(person("a"), AT_ONCE + 5)
    tasks += await second.begin(person("b"), 1)
    assert (first.under_way, second.under_way) == (AT_ONCE, 1)
    first.let_go()
    second.let_go()
    await asyncio.gather(*tasks)
    assert (first.most, first.done, second.done) == (AT_ONCE, AT_ONCE + 5, 1)


async def test_systems_are_not_held_back() -> None:
    """A laboratory sends as much at once as it likes."""
    work = Work(Turns())
    tasks = await work.begin(person("lab", Role.SYSTEM), AT_ONCE * 3)
    assert work.under_way == AT_ONCE * 3
    work.let_go()
    await asyncio.gather(*tasks)


async def test_who_waits_in_too_long_a_line_or_too_long_is_told_so() -> None:
    """One more than may wait is refused at once, those who wait when their patience ends; places come back."""
    turns = Turns(patience=0.05)
    work = Work(turns)
    tasks = await work.begin(person("a"), AT_ONCE + MOST_WAITING)
    with pytest.raises(TooManyAtOnce) as refused:
        await work.request(person("a"))
    assert refused.value.headers["Retry-After"] == "1"
    ended = await asyncio.gather(*tasks[AT_ONCE:], return_exceptions=True)
    assert [type(one) for one in ended] == [TooManyAtOnce] * MOST_WAITING
    work.let_go()
    await asyncio.gather(*tasks[:AT_ONCE])
    await work.request(person("a"))
    assert work.done == AT_ONCE + 1


async def test_a_client_that_goes_away_gives_its_place_back() -> None:
    """Cancelled while it waits or while it works, a request holds nothing."""
    work = Work(Turns())
    tasks = await work.begin(person("a"), AT_ONCE + 1)
    for task in (tasks[-1], tasks[0]):
        task.cancel()
    await asyncio.gather(tasks[-1], tasks[0], return_exceptions=True)
    fresh = await work.begin(person("a"), 1)
    await asyncio.sleep(0)
    assert work.under_way == AT_ONCE + 1  # the cancelled one never said that it ended
    work.let_go()
    await asyncio.gather(*tasks[1:-1], *fresh)
    assert work.done == AT_ONCE
