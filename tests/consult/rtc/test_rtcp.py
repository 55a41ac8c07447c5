"""RTCP written for aiortc's reader, and read where aiortc gives up."""

import struct

from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc import rtcp


@given(st.sets(st.integers(0, 0xFFFF), min_size=1, max_size=200))
def test_a_nack_names_all_that_is_lost(lost: set[int]) -> None:
    """What is asked for is what is read, by aiortc and by ourselves."""
    written = rtcp.nack(1, 2, sorted(lost))
    (read,) = RtcpPacket.parse(written)
    assert isinstance(read, RtcpRtpfbPacket)
    assert (read.ssrc, read.media_ssrc, set(read.lost)) == (1, 2, lost)
    (block,) = rtcp.blocks(written, len(written))
    assert rtcp.media_ssrc(block) == 2
    assert set(rtcp.lost_sequences(block)) == lost


def test_a_nack_may_cross_the_wrap() -> None:
    """Numbers on both sides of the wrap fit into one item."""
    written = rtcp.nack(1, 2, [65534, 65535, 0, 5])
    assert len(written) == 16
    (block,) = rtcp.blocks(written, len(written))
    assert rtcp.lost_sequences(block) == [65534, 65535, 0, 5]


def test_a_flood_of_lost_packets_is_cut() -> None:
    """One NACK cannot ask for more than a bounded number of packets."""
    written = rtcp.written(rtcp.TRANSPORT_FEEDBACK, rtcp.NACK, bytes(8) + b"\x00\x01\xff\xff" * 300)
    (block,) = rtcp.blocks(written, len(written))
    assert len(rtcp.lost_sequences(block)) == rtcp.MOST_LOST_PER_NACK


def test_reports_are_understood_by_others() -> None:
    """Sender and receiver reports arrive with their figures, negative loss included."""
    report = rtcp.ReportBlock(5, 12, -3, 70000, 44, 0x1234, 0x5678)
    compound = rtcp.receiver_report(1, [report]) + rtcp.sender_report(
        rtcp.SenderTimes(9, 1 << 40, 77), 10, 2000, b"anna"
    )
    receiver, sender, names = RtcpPacket.parse(compound)
    assert isinstance(receiver, RtcpRrPacket)
    assert isinstance(sender, RtcpSrPacket)
    assert isinstance(names, RtcpSdesPacket)
    assert receiver.reports[0].packets_lost == -3
    assert receiver.reports[0].highest_sequence == 70000
    assert sender.sender_info.rtp_timestamp == 77
    assert names.chunks[0].items == [(1, b"anna")]
    first, second, _ = rtcp.blocks(compound, len(compound))
    assert list(rtcp.report_blocks(first)) == [report]
    assert rtcp.sender_times(second) == rtcp.SenderTimes(9, 1 << 40, 77)


@given(st.integers(1000, 50_000_000))
def test_a_bitrate_limit_is_read_within_its_precision(bitrate: int) -> None:
    """A REMB carries the bitrate with 18 significant bits."""
    (read,) = RtcpPacket.parse(rtcp.remb(1, bitrate, [5, 6]))
    assert isinstance(read, RtcpPsfbPacket)
    limit, streams = unpack_remb_fci(read.fci)
    assert streams == [5, 6]
    assert bitrate * (1 - 2**-17) <= limit <= bitrate


def test_a_padded_block_costs_its_neighbours_nothing() -> None:
    """Padding inside a compound packet, which makes aiortc drop it all, leaves the other blocks readable."""
    padded = rtcp.written(rtcp.TRANSPORT_FEEDBACK, rtcp.TRANSPORT_WIDE, bytes(9) + b"\x00\x00\x03")
    padded = bytes([padded[0] | 0x20]) + padded[1:]
    compound = padded + rtcp.picture_loss(1, 2)
    kinds = [(block.kind, block.count) for block in rtcp.blocks(compound, len(compound))]
    assert kinds == [(rtcp.TRANSPORT_FEEDBACK, rtcp.TRANSPORT_WIDE), (rtcp.PAYLOAD_FEEDBACK, rtcp.PICTURE_LOSS)]


def test_a_full_intra_request_names_its_streams() -> None:
    """Every stream of a FIR is found."""
    body = struct.pack("!IIIIII", 1, 0, 7, 1 << 24, 8, 2 << 24)
    written = rtcp.written(rtcp.PAYLOAD_FEEDBACK, rtcp.FULL_INTRA, body)
    (block,) = rtcp.blocks(written, len(written))
    assert rtcp.full_intra_targets(block) == [7, 8]


@given(st.binary(max_size=200))
def test_noise_is_read_without_harm(noise: bytes) -> None:
    """Every reader takes whatever blocks random bytes happen to form."""
    for block in rtcp.blocks(noise, len(noise)):
        rtcp.media_ssrc(block)
        assert len(rtcp.lost_sequences(block)) <= rtcp.MOST_LOST_PER_NACK
        assert len(list(rtcp.report_blocks(block))) <= block.count
        rtcp.sender_times(block)
        rtcp.full_intra_targets(block)
