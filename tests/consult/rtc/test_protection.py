"""Keeping packets, protecting them, and agreeing on keys."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from aiortc.rtcdtlstransport import RTCCertificate
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from kernel.clock import SystemClock
from services.consult.rtc.dtls import Certificate, Closed, DtlsServer, MediaKeys, Refused, datagrams
from services.consult.rtc.history import SLOT_SIZE, History
from services.consult.rtc.srtp import PROFILES, PacketBuffer, Profile, SrtpSession


def header(sequence: int) -> bytes:
    """An RTP header."""
    return b"\x80\x60" + sequence.to_bytes(2, "big") + bytes(4) + b"\x00\x00\x00\x05"


@given(st.lists(st.integers(0, 0xFFFF), max_size=100))
def test_history_gives_back_the_last_packets_only(sequences: list[int]) -> None:
    """A packet is found until another takes its slot, and never under another's number."""
    history, kept = History(16), dict[int, int]()
    for sequence in sequences:
        history.put(sequence, memoryview(header(sequence) + bytes(sequence % 100)), 12)
        kept[sequence % 16] = sequence
    for sequence in {*range(40), *sequences}:
        slot = history.find(sequence)
        assert (slot >= 0) == (kept.get(sequence % 16) == sequence)
        if slot >= 0:
            assert bytes(history.packet(slot)) == header(sequence) + bytes(sequence % 100)


def test_history_keeps_no_oversize_packet() -> None:
    """A packet longer than a slot is forgotten; its neighbours stay whole."""
    history = History(2)
    history.put(0, memoryview(header(0)), 12)
    history.put(1, memoryview(bytes(SLOT_SIZE + 1)), 12)
    assert history.find(1) == -1
    assert bytes(history.packet(0)) == header(0)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name.decode())
def test_packets_are_protected_for_others(profile: Profile) -> None:
    """pylibsrtp's own session reads what we protect, and we read what it protects; a replay is refused."""
    key = bytes(range(profile.key_length + profile.salt_length))
    theirs = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile.policy))
    ours = SrtpSession(profile, key, inbound=False)
    buffer, packet = PacketBuffer(), header(7) + b"payload"
    buffer.view[: len(packet)] = packet
    size = ours.protect(buffer, len(packet))
    protected = bytes(buffer.view[:size])
    assert theirs.unprotect(protected) == packet
    reader = SrtpSession(profile, key, inbound=True)
    assert bytes(buffer.view[: reader.unprotect(buffer, size)]) == packet
    buffer.view[:size] = protected
    assert reader.unprotect(buffer, size) == -1


def test_forged_packets_are_refused() -> None:
    """A packet with one bit changed, and one that is too short, are refused."""
    profile = PROFILES[0]
    key = bytes(profile.key_length + profile.salt_length)
    buffer, size = PacketBuffer(), 100
    buffer.view[:12] = header(1)
    size = SrtpSession(profile, key, inbound=False).protect(buffer, size)
    buffer.bytes[20] ^= 1
    reader = SrtpSession(profile, key, inbound=True)
    assert reader.unprotect(buffer, size) == -1
    assert all(reader.unprotect(buffer, short) == -1 for short in range(12, 28))
    assert all(reader.unprotect_rtcp(buffer, short) == -1 for short in range(28))


class Browser:
    """The client's side of a handshake, run against a server by hand."""

    def __init__(self, fingerprints: Callable[[RTCCertificate], list[tuple[str, str]]]) -> None:
        certificate = RTCCertificate.generateCertificate()
        context = SSL.Context(SSL.DTLS_METHOD)
        context.use_certificate(certificate._cert)
        context.use_privatekey(certificate._key)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.set_tlsext_use_srtp(PROFILES[0].name)
        self.connection = SSL.Connection(context)
        self.connection.set_connect_state()
        self.flights: list[bytes] = []
        self.server = DtlsServer(Certificate(SystemClock().now()), fingerprints(certificate), self.flights.append)

    def flush(self) -> MediaKeys | None:
        """Give the server what the client has to say."""
        try:
            return self.server.receive(self.connection.bio_read(65536))
        except SSL.WantReadError:
            return None

    def handshake(self) -> MediaKeys:
        """The keys of a completed handshake."""
        for _ in range(10):
            with suppress(SSL.WantReadError):
                self.connection.do_handshake()
            keys = self.flush()
            while self.flights:
                self.connection.bio_write(self.flights.pop(0))
            if keys:
                self.connection.do_handshake()
                return keys
        raise AssertionError("the handshake does not end")


def right(certificate: RTCCertificate) -> list[tuple[str, str]]:
    """The fingerprints of a truthful offer."""
    return [(one.algorithm, one.value.lower()) for one in certificate.getFingerprints()]


def test_both_ends_agree_on_keys() -> None:
    """After the handshake the client's packets can be read with the server's inbound key."""
    browser = Browser(right)
    keys = browser.handshake()
    profile = PROFILES[0]
    material = browser.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", profile.material_length)
    buffer = PacketBuffer()
    buffer.view[:12] = header(1)
    size = SrtpSession(profile, profile.keys(material)[0], inbound=False).protect(buffer, 40)
    assert keys.inbound.unprotect(buffer, size) == 40


@pytest.mark.parametrize(
    "fingerprints",
    [
        lambda certificate: [("sha-256", ":".join(["00"] * 32))],
        lambda certificate: [*right(certificate), ("sha-512", ":".join(["00"] * 64))],
        lambda certificate: [("md5", "00")],
    ],
    ids=["another", "one of two", "unknown"],
)
def test_another_certificate_is_refused(fingerprints: Callable[[RTCCertificate], list[tuple[str, str]]]) -> None:
    """Every fingerprint of the offer that can be computed must match, and there must be one."""
    with pytest.raises(Refused):
        Browser(fingerprints).handshake()


def test_noise_after_the_handshake_is_forgotten_and_goodbye_is_noticed() -> None:
    """Stray bytes do not end an established connection; the client's goodbye does."""
    browser = Browser(right)
    browser.handshake()
    for noise in (b"\x16", b"\x17\xfe\xfd" + bytes(40), bytes(range(20, 64))):
        assert browser.server.receive(noise) is None
    browser.connection.shutdown()
    with pytest.raises(Closed):
        browser.flush()


def test_records_are_sent_in_whole_datagrams() -> None:
    """Records are packed together up to the limit and never torn."""
    records = [b"\x16\xfe\xfd" + bytes(8) + (500).to_bytes(2, "big") + bytes([n]) * 500 for n in range(5)]
    packed = datagrams(b"".join(records))
    assert [len(one) for one in packed] == [1026, 1026, 513]
    assert b"".join(packed) == b"".join(records)
