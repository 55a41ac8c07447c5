"""What a patient looks for (找号)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.appointments.appointment import Visit


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; kinds combine as AND, values of one kind as OR."""

    start: datetime
    end: datetime
    practitioners: Sequence[str] = ()
    organizations: Sequence[str] = ()
    services: Sequence[str] = ()
    locations: Sequence[str] = ()
    specialties: Sequence[str] = ()
    districts: Sequence[str] = ()
    visit: Visit | None = None
    count: int = 50
