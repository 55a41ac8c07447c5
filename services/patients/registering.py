"""A patient is registered once, under a valid identity number (实名, BOOK-01), and keeps addresses up to date."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from kernel.auth.principal import Principal, Role
from kernel.database import Transaction
from record import read, write
from record.stored import Stored
from record.visible import visible_to
from services.patients import policy, store
from services.patients.failures import (
    IdentityMissing,
    IdentityTaken,
    IdentityWrong,
    NotForPatients,
    OnlyByHospital,
)

OWN = frozenset({"telecom", "address", "communication", "contact"})
"""What patients change themselves."""
GIVEN = frozenset({"resourceType", "id", "meta"})
NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]")


async def register(
    tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, key: str, by: Principal, now: datetime
) -> Stored:
    """Enter a new patient. Of many that come at once with one identity number, one is entered.

    `key` keys the hashes of identifiers. Raises OnlyByHospital, IdentityMissing, IdentityWrong, IdentityTaken.
    """
    if by.role is not Role.SYSTEM:
        raise OnlyByHospital
    await enter_identities(tx, [(id, resource)], key=key)
    return await write.create(tx, body, id=id, now=now)


async def change(
    tx: Transaction,
    resource: dict[str, Any],
    body: bytes,
    *,
    id: str,
    expected: int | None,
    key: str,
    by: Principal,
    now: datetime,
) -> Stored:
    """Patients keep their own addresses up to date; the hospital's systems everything. Raises NotForPatients."""
    current = (await read.read(tx, "Patient", id, visible=visible_to(by))).resource
    if by.role is not Role.SYSTEM:
        names = (current.keys() | resource.keys()) - OWN - GIVEN
        foreign = sorted(name for name in names if current.get(name) != resource.get(name))
        if foreign:
            raise NotForPatients(expression=f"Patient.{foreign[0]}")
    else:
        await enter_identities(tx, [(id, resource)], key=key)
    return await write.update(tx, body, id=id, now=now, expected=expected)


async def enter_identities(tx: Transaction, pairs: Iterable[tuple[str, Mapping[str, Any]]], *, key: str) -> None:
    """Enter the identifiers of patients, given as (id, Patient resource); done again, it changes nothing.

    Raises IdentityMissing, IdentityWrong, IdentityTaken.
    """
    identities = [
        (system, _hashed(system, value, key=key), id_)
        for id_, patient in pairs
        for system, value in _identifiers(patient)
    ]
    if identities and not await store.enter_identities(tx, identities):
        raise IdentityTaken(policy.cited("BOOK-01"), expression="Patient.identifier")


def _identifiers(patient: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """System and value of each identifier, found in order. Raises IdentityMissing, IdentityWrong."""
    complete = [one for one in patient.get("identifier", []) if one.get("system") and one.get("value")]
    if not complete:
        raise IdentityMissing(policy.cited("BOOK-01"), expression="Patient.identifier")
    for one in complete:
        if one["system"] == policy.IDENTITY_NUMBER and not _is_identity_number(one["value"], patient):
            raise IdentityWrong(policy.cited("BOOK-01"), expression="Patient.identifier")
        yield one["system"], one["value"]


def _is_identity_number(value: str, patient: Mapping[str, Any]) -> bool:
    """GB 11643: form, check digit and birth date, which must be the patient's own."""
    # The place is not compared with the year of birth: older people got the code of where they lived in the 1980s.
    if not NUMBER.fullmatch(value) or value[-1] != ric.calc_check_digit(value):
        return False
    try:
        born = ric.get_birth_date(value).isoformat()
    except ValidationError:
        return False
    return bool(patient.get("birthDate", born) == born)


def _hashed(system: str, value: str, *, key: str) -> bytes:
    return hmac.new(key.encode(), f"{system}\0{value}".encode(), hashlib.sha256).digest()
