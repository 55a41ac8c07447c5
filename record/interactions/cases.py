"""A room's own ways of changing its types: a type without one is changed by a plain write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kernel.auth.principal import Principal
from kernel.database import Transaction
from kernel.service import Room
from record.failures import WriteNotOffered
from record.stored import Stored


class CreateCase(Protocol):
    """A room's own way of entering a resource that a client sent, under the id it shall have."""

    async def __call__(
        self, tx: Transaction, resource: dict[str, Any], body: bytes, *, id: str, by: Principal, room: Room
    ) -> Stored: ...


class UpdateCase(Protocol):
    """A room's own way of replacing a resource; it has been found to exist and to be visible."""

    async def __call__(
        self,
        tx: Transaction,
        resource: dict[str, Any],
        body: bytes,
        *,
        id: str,
        expected: int | None,
        by: Principal,
        room: Room,
    ) -> Stored: ...


class DeleteCase(Protocol):
    """A room's own way of deleting a resource; it has been found to exist and to be visible."""

    async def __call__(
        self, tx: Transaction, *, id: str, expected: int | None, by: Principal, room: Room
    ) -> Stored: ...


@dataclass(frozen=True, slots=True)
class NotOffered:
    """This type is not changed this way: answered with 405 and what to use instead, such as `Appointment/$book`."""

    instead: str


Create = CreateCase | NotOffered
Update = UpdateCase | NotOffered
Delete = DeleteCase | NotOffered

Case = TypeVar("Case", CreateCase, UpdateCase, DeleteCase)


@dataclass(frozen=True, slots=True)
class Cases:
    """A room's own ways of changing its types, by type."""

    creates: Mapping[str, Create] = field(default_factory=dict)
    updates: Mapping[str, Update] = field(default_factory=dict)
    deletes: Mapping[str, Delete] = field(default_factory=dict)
    entries: Mapping[str, Update] = field(default_factory=dict)
    """Updates that hold only inside a transaction, in place of those of `updates`."""
    enterable: frozenset[str] = frozenset()
    """Types with a use case for updates in which a system may enter a resource under an id of its own all the same."""

    def update(self, type: str, *, within: bool) -> UpdateCase | None:
        """How a resource of this type is replaced, None for a plain write. Raises WriteNotOffered."""
        return offered(self.entries[type] if within and type in self.entries else self.updates.get(type))

    def enters(self, type: str) -> bool:
        """Whether a system's update of an unknown id enters the resource."""
        return type not in self.updates or type in self.enterable


def offered(case: Case | NotOffered | None) -> Case | None:
    """The use case itself, None for a plain write. Raises WriteNotOffered."""
    if isinstance(case, NotOffered):
        raise WriteNotOffered(f"Use {case.instead}.")
    return case
