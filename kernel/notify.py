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


async def listen_all(redis: "Redis", pattern: str, *, every: float) -> AsyncIterator[tuple[str, str]]:
    """Words on every channel that fits a pattern; ("", "*") after each gap in which words may have been lost."""
    while True:
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.psubscribe(pattern)
                yield "", "*"
                while True:
                    message = await pubsub.get_message(timeout=every)
                    if message:
                        yield message["channel"].decode(), message["data"].decode()
        except (RedisError, OSError):
            await asyncio.sleep(1.0)
