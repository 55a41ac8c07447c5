"""Live words over Redis: they only say "look now", so losing one, or all of Redis, loses nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


def connect(url: str) -> "Redis":
    """A connection pool to Redis or Valkey that fails fast when it is away."""
    return Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=15)


class Announcer:
    """Says words for a whole process: those of many requests travel together, and no request waits for them."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._words: dict[tuple[str, str], None] = {}
        self._woken = asyncio.Event()

    def say(self, words: Sequence[tuple[str, str]]) -> None:
        """Say each (channel, word) soon, once."""
        self._words.update(dict.fromkeys(words))
        if self._words:
            self._woken.set()

    async def run(self) -> None:
        """Speak until cancelled. While Redis is away words are dropped: whoever listens looks anew afterwards."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            words, self._words = self._words, {}
            await announce(self._redis, tuple(words))


async def announce(redis: "Redis", words: Sequence[tuple[str, str]]) -> None:
    """Say each (channel, word) once; silence is allowed."""
    if not words:
        return
    with suppress(RedisError, OSError):
        async with redis.pipeline(transaction=False) as pipe:
            for channel, word in words:
                pipe.publish(channel, word)
            await pipe.execute()


async def listen(redis: "Redis", channels: Sequence[str], *, every: float = 1.0) -> AsyncIterator[tuple[str, str]]:
    """Words as they come, and an empty word every `every` seconds of silence so that the listener looks anyway."""
    while True:
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(*channels)
                yield "", ""
                while True:
                    message = await pubsub.get_message(timeout=every)
                    yield (message["channel"].decode(), message["data"].decode()) if message else ("", "")
        except (RedisError, OSError):
            yield "", ""
            await asyncio.sleep(every)
