"""The last packets of a track, kept in memory that is allocated once, so that lost ones can be sent again."""

from array import array

SLOT_SIZE = 1504


class History:
    """A ring of packets by sequence number.

    The memory is a fixed block; a packet with a sequence number `slots` later overwrites this one.
    """

    __slots__ = ("_mask", "_sequences", "memory", "sizes", "starts")

    def __init__(self, slots: int) -> None:
        if slots & slots - 1:
            raise ValueError("slots must be a power of two")
        self._mask = slots - 1
        self._sequences = array("l", [-1]) * slots
        self.sizes = array("H", [0]) * slots
        self.starts = array("H", [0]) * slots
        self.memory = memoryview(bytearray(slots * SLOT_SIZE))

    def put(self, sequence: int, packet: memoryview, start: int) -> None:
        """Keep a packet whose payload begins at `start`; one too long for a slot is not kept."""
        size = len(packet)
        if size > SLOT_SIZE:
            return
        slot = sequence & self._mask
        at = slot * SLOT_SIZE
        self.memory[at : at + size] = packet
        self._sequences[slot] = sequence
        self.sizes[slot] = size
        self.starts[slot] = start

    def find(self, sequence: int) -> int:
        """The slot that holds this sequence number, or -1."""
        slot = sequence & self._mask
        return slot if self._sequences[slot] == sequence else -1

    def packet(self, slot: int) -> memoryview:
        """The packet in a slot; valid until the next `put`."""
        at = slot * SLOT_SIZE
        return self.memory[at : at + self.sizes[slot]]
