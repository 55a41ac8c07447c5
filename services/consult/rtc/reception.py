"""What has arrived of one stream, what is missing, and the report on it (RFC 3550 appendix A, RFC 4585)."""

from services.consult.rtc.rtcp import ReportBlock, SenderTimes

MOST_MISSING = 300
"""A larger hole is not asked for again; a keyframe is."""

TRIES = 10
RETRY_FLOOR = 0.03
GIVE_UP_AFTER = 1.0


class Missing:
    """One packet that should have come. Times are seconds of a monotonic clock."""

    __slots__ = ("ask_at", "since", "tries")

    def __init__(self, now: float) -> None:
        self.since = now
        self.ask_at = now
        self.tries = 0


class Reception:
    """The sequence numbers of one received stream, unwrapped to a running count.

    `add` says how a packet relates to those before it; `missing` maps running counts to `Missing`.
    """

    __slots__ = (
        "_asks", "_base", "_expected_before", "_jitter", "_received", "_received_before", "_report_at", "_report_ntp",
        "_transit", "clock_rate", "gave_up", "highest", "missing", "ssrc",
    )  # fmt: skip

    def __init__(self, ssrc: int, clock_rate: int, *, asks: bool) -> None:
        self._asks = asks
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.highest = -1
        self.missing: dict[int, Missing] = {}
        self.gave_up = False
        self._base = 0
        self._received = 0
        self._expected_before = self._received_before = 0
        self._jitter = 0.0
        self._transit = 0.0
        self._report_ntp = 0
        self._report_at = 0.0

    def add(self, sequence: int, timestamp: int, now: float) -> int:
        """Count a packet; returns how far it is ahead of the newest one: 0 or less for a late one."""
        self._received += 1
        highest = self.highest
        if highest < 0:
            self.highest = self._base = sequence
            return 1
        step = sequence - highest & 0xFFFF
        if step == 1:
            self.highest = highest + 1
        elif 0 < step < 0x8000:
            self.highest = highest + step
            self._note_missing(highest + 1, highest + step, now)
        else:
            return self._late(highest, step)
        transit = now * self.clock_rate - timestamp
        change = abs(transit - self._transit)
        self._transit = transit
        if change < self.clock_rate:
            self._jitter += (change - self._jitter) / 16
        return step

    def recovered(self, sequence: int) -> bool:
        """Note a retransmitted packet; whether it was missing. A sender also repeats packets to probe the network."""
        behind = self.highest - sequence & 0xFFFF
        return self.missing.pop(self.highest - behind, None) is not None

    def _late(self, highest: int, step: int) -> int:
        behind = (step - 0x10000) if step else 0
        self.missing.pop(highest + behind, None)
        return behind

    def _note_missing(self, first: int, end: int, now: float) -> None:
        if not self._asks:
            return
        if end - first + len(self.missing) > MOST_MISSING:
            self.missing.clear()
            self.gave_up = True
            return
        for sequence in range(first, end):
            self.missing[sequence] = Missing(now)

    def to_ask(self, now: float, round_trip: float) -> list[int]:
        """The 16-bit sequence numbers to ask for now; those asked too often are given up (`gave_up` becomes true)."""
        ask: list[int] = []
        for sequence, lost in list(self.missing.items()):
            if lost.tries >= TRIES or now - lost.since > GIVE_UP_AFTER:
                del self.missing[sequence]
                self.gave_up = True
            elif now >= lost.ask_at:
                lost.tries += 1
                lost.ask_at = now + max(RETRY_FLOOR, round_trip * 1.25)
                ask.append(sequence & 0xFFFF)
        return ask

    def sender_reported(self, times: SenderTimes, now: float) -> None:
        """Remember the sender's report, so that it can measure the round trip."""
        self._report_ntp = times.ntp >> 16 & 0xFFFFFFFF
        self._report_at = now

    def report(self, now: float) -> ReportBlock:
        """The reception report since the last one."""
        expected = self.highest - self._base + 1
        newly_expected = expected - self._expected_before
        newly_lost = newly_expected - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        fraction = min(255, (newly_lost << 8) // newly_expected) if newly_expected > 0 and newly_lost > 0 else 0
        delay = int((now - self._report_at) * 65536) & 0xFFFFFFFF if self._report_ntp else 0
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            cumulative_lost=expected - self._received,
            highest_sequence=self.highest & 0xFFFFFFFF,
            jitter=int(self._jitter),
            last_report=self._report_ntp,
            delay=delay,
        )
