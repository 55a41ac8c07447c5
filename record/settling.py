"""Up to which instant the record's history is complete: nothing earlier can still appear.

A version's instant is taken inside its transaction, and seen when that commits, maybe after younger ones. So a history
is shown only up to the beginning of the oldest transaction that may still write. Who asks again with `_since` from
there, or from the newest instant it has seen, misses nothing. This holds as long as the clocks of the rooms' machines
differ by no more than `Settings.clock_tolerance`; a transaction that hangs holds the instant back, and loses nothing.
https://hl7.org/fhir/R4/http.html#history
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kernel.database import Transaction

# rule: injected-clock because how long a transaction has been open only the clock that saw it begin can tell
SETTLING = """
create or replace function record.settling() returns interval language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
declare
  open_for interval;
  unknown boolean;
begin
  if pg_is_in_recovery() then
    raise exception 'a standby does not see who is writing';
  end if;
  select max(statement_timestamp() - a.xact_start),
      bool_or(a.state = 'disabled' or a.query = '<insufficient privilege>')
    into open_for, unknown
    from pg_stat_get_activity(null) a join pg_roles r on r.oid = a.usesysid
    where a.pid <> pg_backend_pid() and r.rolname = any(array[{rooms}]::name[]);
  if unknown then
    raise exception 'the owner of the record must be granted pg_read_all_stats, and track_activities be on';
  end if;
  return greatest(coalesce(open_for, interval '0'), interval '0');
end $$;
revoke all on function record.settling() from public;
"""


def settling_ddl(rooms: Sequence[str]) -> str:
    """The function that tells how long the oldest open transaction of these rooms has been open."""
    return SETTLING.format(rooms=", ".join(f"'{room}'" for room in rooms))


async def settled(tx: Transaction, *, now: datetime, tolerance: timedelta) -> datetime:
    """The instant before which every version is committed and visible to the statements that follow.

    `now` must have been read before the call. The age of transactions is measured by the database's clock and taken
    off ours, so the two need not agree.
    """
    open_for: timedelta = await tx.raw.fetchval("select record.settling()")
    at = (now - open_for - tolerance).astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
