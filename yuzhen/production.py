"""What must not be there when real patients are: demo secrets, demo people, medicines no pharmacist has reviewed."""

from kernel.database import Database
from kernel.settings import Settings, SettingWrong
from services.identity import store as identity_store
from yuzhen.migrate import owner_url
from yuzhen.seed import MARK

UNREVIEWED = "unreviewed-demo"
UNREVIEWED_MEDICINES = """
select exists (select 1 from record.medication where not deleted and convert_from(body, 'UTF8') like $1)
"""


async def refuse_demo_in_production(settings: Settings) -> None:
    """Raises SettingWrong, naming everything that stands in the way, when the mode is production."""
    if settings.demo:
        return
    faults = await _faults(settings)
    if faults:
        raise SettingWrong("Production mode refuses to start: " + " ".join(faults))


async def _faults(settings: Settings) -> list[str]:
    faults = []
    if (settings.secrets / "demo-password").exists():
        faults.append("The demo password is among the secrets; start from a fresh state folder.")
    database = Database(owner_url(settings), room="migrate", size=1)
    try:
        async with database.reading() as tx:
            if await identity_store.account(tx, MARK) is not None:
                faults.append("Demo accounts exist; start from a fresh record.")
            if await tx.raw.fetchval(UNREVIEWED_MEDICINES, f'%"{UNREVIEWED}"%'):
                faults.append("The medication pack is not reviewed by a pharmacist; load a reviewed one.")
    finally:
        await database.close()
    return faults
