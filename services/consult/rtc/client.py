"""consult's side of a media node: commands as calls, what happens as events, and patience when the node restarts."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator
from typing import Self

from google.protobuf.message import DecodeError

from proto.yuzhen.consult.v1 import rtc_pb2 as wire
from services.consult.rtc.control import ControlAddress, FrameTooLarge, read_frame, write_frame
from services.consult.rtc.events import Event, Load, from_wire, load_from_wire
from services.consult.rtc.failures import NodeDown, NodeSlow, by_code

log = logging.getLogger(__name__)

ANSWER_WITHIN = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
MOST_EVENTS = 10_000


class NodeClient:
    """A lasting stream to one node; use as `async with NodeClient("unix:/run/rtc.sock") as node`.

    Every stream begins with a Hello event; another `run` in it means that the node restarted and its rooms are gone.
    """

    def __init__(self, control: str) -> None:
        self._address = ControlAddress.read(control)
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[wire.Reply]] = {}
        self._events: asyncio.Queue[Event] = asyncio.Queue(MOST_EVENTS)
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def ready(self) -> None:
        """Wait until the node listens to us."""
        await self._connected.wait()

    async def join(self, *, room: str, participant: str, offer: str) -> str:
        """The node's answer to a participant's offer; a former connection of the same participant is replaced.

        Raises RoomFull, OfferInvalid, NodeDown, NodeSlow, NodeRefused.
        """
        join = wire.Join(room=room, participant=participant, sdp_offer=offer)
        reply = await self._ask(wire.Command(join=join))
        return reply.joined.sdp_answer

    async def leave(self, *, room: str, participant: str) -> None:
        """End a participant's connection. Raises NodeDown, NodeSlow."""
        await self._ask(wire.Command(leave=wire.Leave(room=room, participant=participant)))

    async def close_room(self, room: str) -> None:
        """End every connection of a room. Raises NodeDown, NodeSlow."""
        await self._ask(wire.Command(close=wire.Close(room=room)))

    async def load(self) -> Load:
        """How much the node does. Raises NodeDown, NodeSlow."""
        reply = await self._ask(wire.Command(stats=wire.Stats()))
        return load_from_wire(reply.load)

    async def events(self) -> AsyncIterator[Event]:
        """What happens in the node's rooms, from its streams' beginning on; one reader at a time."""
        while True:
            yield await self._events.get()

    async def _ask(self, command: wire.Command) -> wire.Reply:
        if self._writer is None:
            raise NodeDown
        command.id = next(self._ids)
        reply: asyncio.Future[wire.Reply] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = reply
        try:
            write_frame(self._writer, command.SerializeToString())
            answer = await asyncio.wait_for(reply, ANSWER_WITHIN)
        except TimeoutError:
            raise NodeSlow from None
        finally:
            self._waiting.pop(command.id, None)
        if answer.HasField("refused"):
            raise by_code(answer.refused.code, answer.refused.message)
        return answer

    async def _follow(self) -> None:
        """Keep a stream to the node, for as long as the client lives."""
        pause = FIRST_PAUSE
        while True:
            try:
                reader, self._writer = await self._address.connect()
                self._connected.set()
                pause = FIRST_PAUSE
                await self._read(reader)
            except (EOFError, OSError, FrameTooLarge, DecodeError) as reason:
                log.info("no stream to the media node: %s", type(reason).__name__)
            finally:
                self._lose()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            message = wire.Message.FromString(await read_frame(reader))
            if message.HasField("reply"):
                waiting = self._waiting.get(message.reply.id)
                if waiting and not waiting.done():
                    waiting.set_result(message.reply)
            elif (event := from_wire(message.event)) is not None:
                self._keep(event)

    def _keep(self, event: Event) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)

    def _lose(self) -> None:
        self._connected.clear()
        if self._writer:
            self._writer.close()
        self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NodeDown())
