"""fhir-kit-client (https://github.com/Vermonster/fhir-kit-client) from npm, unchanged, against the running platform."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.support.gate import ITSELF
from tests.support.node import run_node
from tests.support.platform import Platform
from tests.support.rooms import token_of

OUTCOME = "OperationOutcome"


async def test_its_whole_interface(platform: Platform) -> None:
    """Every interaction it knows works: statement, CRUD, versions, patch, conditions, Bundles, pages, operations."""
    mark, now = uuid4().hex, datetime.now(UTC)
    said = await run_node(
        "fhir-kit-client.mjs",
        {
            "baseUrl": f"{platform.address}/fhir",
            "token": token_of(platform.settings, ITSELF),
            "mark": mark,
            "when": {"start": now.isoformat(), "end": (now + timedelta(days=1)).isoformat()},
        },
    )
    assert said == {
        "fhirVersion": "4.0.1",
        "created": "1",
        "same": True,
        "updated": ["2", [412, OUTCOME], True, ["third"]],
        "first": ["1", None],
        "histories": [4, True, "history"],
        "transaction": ["201", "201", "201"],
        "batch": ["200", "404", "400"],
        "pages": [[f"Clinic {mark}-0", f"Clinic {mark}-1"], [f"Clinic {mark}-2"], 2],
        "included": ["match", "include"],
        "resolved": True,
        "validated": OUTCOME,
        "found": ["Bundle", "searchset"],
        "removed": "",
        "refusals": [[410, OUTCOME], [404, OUTCOME], [400, OUTCOME]],
    }
