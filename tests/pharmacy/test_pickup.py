"""Codes and secrets open one release of one order and nothing else."""

import re

from hypothesis import given
from hypothesis import strategies as st

from services.pharmacy import pickup

KEY = b"a key for tests"
NAMES = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=12)


def test_codes_are_256_bits_of_base64url() -> None:
    """A code has 43 characters that need no escaping in a QR code or an address."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", pickup.code(KEY, order="task-1", releases=1))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", pickup.secret(KEY, order="task-1", releases=1, pharmacy="a"))


@given(NAMES, NAMES, st.integers(1, 99), st.integers(1, 99))
def test_each_order_and_release_has_its_own_code(one: str, other: str, first: int, second: int) -> None:
    """The same order and release give the same code again; anything else gives another."""
    same = (one, first) == (other, second)
    assert (pickup.code(KEY, order=one, releases=first) == pickup.code(KEY, order=other, releases=second)) == same


@given(NAMES, NAMES)
def test_a_secret_belongs_to_one_pharmacy(one: str, other: str) -> None:
    """Two pharmacies never share a secret, and no secret is a code."""
    secret = pickup.secret(KEY, order="task-1", releases=1, pharmacy=one)
    assert (secret == pickup.secret(KEY, order="task-1", releases=1, pharmacy=other)) == (one == other)
    assert secret != pickup.code(KEY, order="task-1", releases=1)


@given(st.text(max_size=60))
def test_anything_may_be_offered_as_a_code(offered: str) -> None:
    """Odd characters are a wrong code, not an error."""
    right = pickup.code(KEY, order="task-1", releases=1)
    assert pickup.matches(offered, right) == (offered == right)
    assert pickup.matches(right, right)
