"""fhirpy (https://github.com/beda-software/fhir-py), unchanged, against the running platform."""

from typing import Any
from uuid import uuid4

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.support.gate import ITSELF
from tests.support.platform import Platform
from tests.support.rooms import token_of

SYSTEM = "urn:fhirpy"
LENIENT = {"Prefer": "handling=lenient"}


@pytest.fixture
def known(platform: Platform) -> dict[str, Any]:
    """Address and token."""
    return {"url": f"{platform.address}/fhir", "authorization": f"Bearer {token_of(platform.settings, ITSELF)}"}


def organization(mark: str, **more: Any) -> dict[str, Any]:
    """An Organization found by its mark."""
    return {"identifier": [{"system": SYSTEM, "value": mark}], "name": f"Clinic {mark}", "active": True, **more}


async def test_async(known: dict[str, Any]) -> None:
    """Create, read, update, patch, delete; search with chains, includes and pages; conditional update; transaction."""
    client, mark = AsyncFHIRClient(**known), uuid4().hex
    parent: Any = client.resource("Organization", **organization(mark))
    await parent.save()
    assert parent.id
    assert (await client.reference("Organization", parent.id).to_resource())["name"] == f"Clinic {mark}"

    parent["alias"] = ["first"]
    await parent.save()
    assert parent["meta"]["versionId"] == "2"
    await parent.patch(alias=["second"])
    await parent.refresh()
    assert (parent["alias"], parent["meta"]["versionId"]) == (["second"], "3")
    assert await parent.is_valid()

    children = [organization(f"{mark}-{n}", partOf=parent.to_reference()) for n in range(5)]
    for child in children:
        await client.resource("Organization", **child).save()
    below = client.resources("Organization").search(partof__Organization__identifier=f"{SYSTEM}|{mark}")
    assert [one["name"] async for one in below.sort("name").limit(2)] == [f"Clinic {mark}-{n}" for n in range(5)]
    assert (
        await AsyncFHIRClient(**known, extra_headers=LENIENT)
        .resources("Organization")
        .search(identifier=f"{SYSTEM}|{mark}")
        .count()
        == 1
    )
    together = (
        client.resources("Organization").search(identifier=f"{SYSTEM}|{mark}-0").include("Organization", "partof")
    )
    entries = (await together.fetch_raw()).entry
    assert [(entry.search.mode, entry.resource.id == parent.id) for entry in entries] == [
        ("match", False),
        ("include", True),
    ]
    above = client.resources("Organization").has("Organization", "partof", identifier=f"{SYSTEM}|{mark}-1")
    assert [one.id for one in await above.fetch()] == [parent.id]
    back = client.resources("Organization").search(_id=parent.id).revinclude("Organization", "partof")
    assert len((await back.fetch_raw()).entry) == 6

    by_mark = client.resources("Organization").search(identifier=f"{SYSTEM}|{mark}-9")
    made, is_new = await by_mark.update(client.resource("Organization", **organization(f"{mark}-9")))
    again: Any
    again, is_new_again = await by_mark.update(
        client.resource("Organization", **organization(f"{mark}-9", active=False))
    )
    assert (is_new, is_new_again, again.id) == (True, False, made.id)
    with pytest.raises(MultipleResourcesFound):
        await (
            client.resources("Organization")
            .search(partof=parent.to_reference())
            .update(client.resource("Organization", **organization("none")))
        )
    await again.delete()
    with pytest.raises(ResourceNotFound):
        await client.get("Organization", again.id)
    with pytest.raises(OperationOutcome):
        await client.resource("Organization", name=["not one text"]).save()


async def test_a_transaction(known: dict[str, Any]) -> None:
    """Resources that point at one another by urn:uuid are entered together."""
    client, mark, hospital = AsyncFHIRClient(**known), uuid4().hex, f"urn:uuid:{uuid4()}"
    entries = [
        {
            "fullUrl": hospital,
            "resource": {"resourceType": "Organization", **organization(mark)},
            "request": {"method": "POST", "url": "Organization"},
        },
        {
            "resource": {"resourceType": "Location", "name": mark, "managingOrganization": {"reference": hospital}},
            "request": {"method": "POST", "url": "Location"},
        },
    ]
    answer = await client.resource("Bundle", type="transaction", entry=entries).save()
    assert answer["type"] == "transaction-response"
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    found = await client.resources("Location").search(organization__Organization__identifier=f"{SYSTEM}|{mark}").get()
    assert found["name"] == mark
    assert (await found["managingOrganization"].to_resource())["name"] == f"Clinic {mark}"


def test_sync(known: dict[str, Any]) -> None:
    """The same client without asyncio."""
    client, mark = SyncFHIRClient(**known), uuid4().hex
    one: Any = client.resource("Organization", **organization(mark))
    one.save()
    one["active"] = False
    one.save(fields=["active"])
    found: Any = client.resources("Organization").search(identifier=f"{SYSTEM}|{mark}", active=False).first()
    assert found.id == one.id
    assert [each.id for each in client.resources("Organization").search(name__contains=mark).limit(1)] == [one.id]
    assert client.execute(f"Organization/{one.id}/_history", method="get")["total"] == 2
    one.delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Organization", one.id).to_resource()
