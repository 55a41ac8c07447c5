"""A resource as the record keeps it: exact bytes, and what is known about them without reading them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson


@dataclass(frozen=True)
class Stored:
    """One version of one resource. `body` is empty when this version is the deletion."""

    type: str
    id: str
    version: int
    updated_at: datetime
    deleted: bool
    patient: str | None
    body: bytes

    @property
    def resource(self) -> dict[str, Any]:
        """The resource as a dict of one's own, read anew at each call."""
        return orjson.loads(self.body)  # type: ignore[no-any-return]

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"
