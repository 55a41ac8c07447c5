"""Connectivity checks as aioice writes them, and as nobody should."""

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.consult.rtc.ice_lite import Credentials, read_check, role_conflict, success

OURS = Credentials("ourfragment", "our-password-of-enough-length")
TRANSACTION = b"twelve bytes"


def request(*, password: str = OURS.password, attributes: dict[str, object] | None = None) -> bytes:
    """A check as an independent implementation writes it."""
    message = aioice.stun.Message(
        message_method=aioice.stun.Method.BINDING,
        message_class=aioice.stun.Class.REQUEST,
        transaction_id=TRANSACTION,
    )
    message.attributes["USERNAME"] = "ourfragment:theirs"
    message.attributes["PRIORITY"] = 1845501695
    message.attributes.update(attributes or {})
    message.add_message_integrity(password.encode())
    return bytes(message)


def understood(answer: bytes) -> aioice.stun.Message:
    """An answer as an independent implementation reads it, integrity checked."""
    message = aioice.stun.parse_message(answer)
    assert message.check_message_integrity(OURS.password.encode())
    return message


def test_a_check_is_read() -> None:
    """A check gives both user name fragments and whether it nominates."""
    check = read_check(request(attributes={"USE-CANDIDATE": None, "ICE-CONTROLLING": 7}))
    assert check is not None
    assert check.fragments == ("ourfragment", "theirs")
    assert check.nominates
    assert not check.claims_controlled
    assert check.transaction == TRANSACTION


def test_only_our_password_verifies_a_check() -> None:
    """A check made with another password is not verified."""
    right, wrong = read_check(request()), read_check(request(password="something else"))
    assert right is not None
    assert wrong is not None
    assert right.verified(OURS.password)
    assert not wrong.verified(OURS.password)


@pytest.mark.parametrize(
    "address", [("203.0.113.7", 54321), ("2001:db8::5", 4000, 0, 0), ("::ffff:203.0.113.7", 9, 0, 0)]
)
def test_the_answer_names_the_address_seen(address: tuple[str, int]) -> None:
    """An independent reader accepts the answer's integrity and finds the address in it, an IPv4 one as such."""
    check = read_check(request())
    assert check is not None
    answer = understood(success(check, address, OURS.password))
    assert answer.transaction_id == TRANSACTION
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == (address[0].removeprefix("::ffff:"), address[1])


def test_a_role_conflict_is_said() -> None:
    """A participant that wants the controlled role, too, is told 487."""
    check = read_check(request(attributes={"ICE-CONTROLLED": 7}))
    assert check is not None
    assert check.claims_controlled
    answer = understood(role_conflict(check, OURS.password))
    assert answer.attributes["ERROR-CODE"][0] == 487


@pytest.mark.parametrize("cut", range(0, 84, 4))
def test_truncated_checks_are_no_checks(cut: int) -> None:
    """Whatever is missing at the end, the datagram is refused."""
    whole = request()
    assert cut < len(whole)
    assert read_check(whole[:cut]) is None


@given(at=st.integers(0, 200), value=st.integers(0, 255))
def test_a_changed_byte_never_verifies(at: int, value: int) -> None:
    """A check with any byte changed that integrity covers is refused or not verified."""
    packet = bytearray(request())
    at %= len(packet) - 8
    changed = packet[at] != value
    packet[at] = value
    check = read_check(bytes(packet))
    assert not changed or check is None or not check.verified(OURS.password)


@given(st.binary(max_size=200))
def test_noise_is_no_check(noise: bytes) -> None:
    """Random bytes raise nothing, whether or not they begin like a check."""
    assert read_check(noise) is None
    head = b"\x00\x01" + (len(noise) & ~3).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION
    check = read_check(head + noise[: len(noise) & ~3])
    assert check is None or not check.verified(OURS.password)
