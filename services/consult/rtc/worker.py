"""The rooms of one node: who is in them, who may come in, and which datagram belongs to whom."""

import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic

from services.consult.rtc import dtls
from services.consult.rtc.answer import Ssrcs, Transport, write_answer
from services.consult.rtc.dtls import Certificate
from services.consult.rtc.events import Connected, Event, Left, LeftReason, Load, MediaFlowing
from services.consult.rtc.failures import RoomFull
from services.consult.rtc.ice_lite import Address, read_check
from services.consult.rtc.peer import MOST_ADDRESSES, Peer, Watch
from services.consult.rtc.router import arrange
from services.consult.rtc.sdp import read_offer
from services.consult.rtc.track import Track
from services.consult.rtc.udp_mux import UdpMux

log = logging.getLogger(__name__)

SILENCE = 30.0
"""Seconds without a word after which a participant is gone."""

Place = tuple[str, str]
"""Room and participant."""


class Worker:
    """All rooms of one process: receives what comes to the UDP port; `turn` must be called some forty times a second.

    `emit` is told every event. `capacity` is how many participants a room takes.
    """

    def __init__(
        self,
        mux: UdpMux,
        certificate: Certificate,
        transport: Transport,
        emit: Callable[[Event], None],
        *,
        capacity: int = 2,
    ) -> None:
        self._mux = mux
        self._certificate = certificate
        self._transport = transport
        self._emit = emit
        self._capacity = capacity
        self._rooms: dict[str, dict[str, Peer]] = {}
        self._by_fragment: dict[str, tuple[Place, Peer]] = {}
        self._by_address: dict[Address, tuple[Place, Peer]] = {}
        self._lossy: dict[Track, Peer] = {}
        self._refused = 0

    def join(self, room: str, participant: str, offer: str) -> str:
        """Let a participant in and answer its offer; its former connection, if any, is replaced.

        Raises OfferInvalid, RoomFull.
        """
        read = read_offer(offer)
        peers = self._rooms.get(room, {})
        if participant not in peers and len(peers) >= self._capacity:
            raise RoomFull
        if participant in peers:
            self._remove((room, participant), LeftReason.REPLACED)
        stream = secrets.token_hex(8)
        ssrcs = {section.mid: self._fresh_ssrcs() for section in read.sections if section.served and section.receives}
        place = (room, participant)
        peer = Peer(
            read,
            ssrcs,
            cname=stream,
            mux=self._mux,
            certificate=self._certificate,
            watch=self._watch(place),
            now=monotonic(),
        )
        self._rooms.setdefault(room, {})[participant] = peer
        self._by_fragment[peer.credentials.fragment] = (place, peer)
        return write_answer(
            read,
            session=secrets.randbits(62),
            stream=stream,
            credentials=peer.credentials,
            transport=self._transport,
            ssrcs=ssrcs,
        )

    def leave(self, room: str, participant: str) -> None:
        """End a participant's connection; harmless when there is none."""
        if participant in self._rooms.get(room, {}):
            self._remove((room, participant), LeftReason.CLOSED)

    def close_room(self, room: str) -> None:
        """End every connection of a room."""
        for participant in list(self._rooms.get(room, {})):
            self._remove((room, participant), LeftReason.CLOSED)

    def close(self) -> None:
        """End every connection."""
        for room in list(self._rooms):
            self.close_room(room)

    @property
    def present(self) -> Mapping[Place, Peer]:
        """Everyone in every room."""
        return {(room, name): peer for room, peers in self._rooms.items() for name, peer in peers.items()}

    def load(self) -> Load:
        """How much this node does."""
        present = self.present
        return Load(
            rooms=len(self._rooms),
            participants=len(present),
            packets_received=self._mux.received,
            packets_sent=self._mux.sent,
            packets_dropped=self._mux.dropped,
            packets_refused=self._refused + sum(peer.refused for peer in present.values()),
        )

    def stun_received(self, packet: bytes, address: Address) -> None:
        """A connectivity check, perhaps of a participant."""
        check = read_check(packet)
        place, peer = self._by_fragment.get(check.fragments[0], (None, None)) if check else (None, None)
        if check is None or place is None or peer is None or not peer.check_received(check, address, monotonic()):
            self._refused += peer is None
            return
        if self._by_address.get(address) != (place, peer):
            self._learn(address, place, peer)

    def dtls_received(self, packet: bytes, address: Address) -> None:
        """A handshake datagram; only from an address that has proved itself by a check."""
        place, peer = self._by_address.get(address, (None, None))
        if place is None or peer is None:
            self._refused += 1
            return
        try:
            peer.dtls_received(packet, address, monotonic())
        except dtls.Refused as refused:
            room, _ = place
            log.warning("a connection in room %s was refused: %s", room, refused.code)
            self._remove(place, LeftReason.REFUSED)
        except dtls.Closed:
            self._remove(place, LeftReason.CLOSED)

    def media_received(self, size: int, address: Address, now: float) -> None:
        """An RTP or RTCP packet in the port's inbox."""
        known = self._by_address.get(address)
        if known:
            known[1].media_received(size, address, now)
        else:
            self._refused += 1

    def batch_ended(self, now: float) -> None:
        """All that had arrived is handled: ask at once for what is missing."""
        if self._lossy:
            for track, peer in self._lossy.items():
                peer.ask(track, now)
            self._lossy.clear()

    def turn(self, now: float) -> None:
        """Do what is due by time, and let go of those who are silent."""
        for place, peer in self.present.items():
            if now - peer.heard_at > SILENCE:
                self._remove(place, LeftReason.TIMEOUT)
                continue
            try:
                peer.turn(now)
            except dtls.Refused:
                self._remove(place, LeftReason.REFUSED)

    def _watch(self, place: Place) -> Watch:
        room, participant = place
        return Watch(
            connected=partial(self._connected, place),
            flows=lambda kind: self._emit(MediaFlowing(room, participant, kind)),
            lost=partial(self._note_loss, place),
        )

    def _connected(self, place: Place) -> None:
        room, participant = place
        arrange(list(self._rooms[room].values()))
        self._emit(Connected(room, participant))

    def _note_loss(self, place: Place, track: Track) -> None:
        room, participant = place
        self._lossy[track] = self._rooms[room][participant]

    def _learn(self, address: Address, place: Place, peer: Peer) -> None:
        """Remember whose address this is; of one participant only the last few are kept."""
        former = self._by_address.get(address)
        if former:
            former[1].addresses.remove(address)
        self._by_address[address] = (place, peer)
        peer.addresses.append(address)
        if len(peer.addresses) > MOST_ADDRESSES:
            oldest = next(known for known in peer.addresses if known != peer.address)
            peer.addresses.remove(oldest)
            del self._by_address[oldest]

    def _remove(self, place: Place, reason: LeftReason) -> None:
        room, participant = place
        peer = self._rooms[room].pop(participant)
        if not self._rooms[room]:
            del self._rooms[room]
        peer.close()
        self._refused += peer.refused
        self._lossy = {track: owner for track, owner in self._lossy.items() if owner is not peer}
        del self._by_fragment[peer.credentials.fragment]
        for address in peer.addresses:
            del self._by_address[address]
        arrange(list(self._rooms.get(room, {}).values()))
        self._emit(Left(room, participant, reason))

    def _fresh_ssrcs(self) -> Ssrcs:
        return Ssrcs(media=secrets.randbits(31) | 1, rtx=secrets.randbits(31) & ~1 | 2)
