"""SMART's fhirclient (https://github.com/smart-on-fhir/client-py), unchanged, against the running platform."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.fhirreference import FHIRReference
from fhirclient.models.humanname import HumanName
from fhirclient.models.identifier import Identifier
from fhirclient.models.organization import Organization
from fhirclient.models.patient import Patient
from fhirclient.models.practitioner import Practitioner
from fhirclient.models.practitionerrole import PractitionerRole
from fhirclient.server import FHIRNotFoundException

from tests.support.gate import ITSELF
from tests.support.platform import Platform
from tests.support.rooms import token_of

SYSTEM = "urn:fhirclient"


def ready_to_sign_in(platform: Platform) -> FHIRClient:
    """A client that knows from the CapabilityStatement where a person signs in."""
    address = platform.address
    found = FHIRClient(settings={"app_id": "yuzhen-web", "api_base": f"{address}/fhir", "redirect_uri": f"{address}/"})
    assert not found.prepare()
    assert found.authorize_url.startswith(f"{address}/authorize?response_type=code")
    return found


@pytest.fixture
def client(platform: Platform) -> FHIRClient:
    """A client of another system of the hospital."""
    found = ready_to_sign_in(platform)
    found.server.auth.access_token = token_of(platform.settings, ITSELF)
    assert found.ready
    return found


def practitioner(mark: str, family: str) -> Practitioner:
    """A Practitioner found by a mark."""
    one = Practitioner()
    one.identifier = [Identifier({"system": SYSTEM, "value": mark})]
    one.name = [HumanName({"family": family, "given": ["Mei"]})]
    one.active = True
    return one


def test_a_resource_from_first_to_last(client: FHIRClient) -> None:
    """Create, read, update, delete through the models, which take nothing that is not R4."""
    one = practitioner(uuid4().hex, "Li")
    assert one.create(client.server)["meta"]["versionId"] == "1"
    read: Any = Practitioner.read(one.id or _id_of(client, one), client.server)
    assert read.as_json()["name"] == [{"family": "Li", "given": ["Mei"]}]
    read.name[0].family = "Wang"
    assert read.update(client.server)["meta"]["versionId"] == "2"
    assert Practitioner.read(read.id, client.server).name[0].family == "Wang"
    read.delete(client.server)
    with pytest.raises(Exception, match="410"):
        Practitioner.read(read.id, client.server)
    with pytest.raises(FHIRNotFoundException):
        Practitioner.read("nobody-at-all", client.server)


def _id_of(client: FHIRClient, one: Practitioner) -> str:
    found = Practitioner.where({"identifier": f"{SYSTEM}|{one.identifier[0].value}"})
    return str(next(found.perform_resources_iter(client.server)).id)


def test_searches(client: FHIRClient) -> None:
    """A search by several parameters, with what it points at, and page after page."""
    mark = uuid4().hex
    for n in range(5):
        practitioner(f"{mark}-{n}", mark).create(client.server)
    search = Practitioner.where({"family": mark, "active": "true", "_count": "2", "_sort": "-_lastUpdated"})
    bundle = next(search.perform_iter(client.server))
    assert (bundle.type, len(bundle.entry)) == ("searchset", 2)
    pages = list(search.perform_iter(client.server))
    assert [len(page.entry) for page in pages] == [2, 2, 1]
    assert len({one.id for one in search.perform_resources_iter(client.server)}) == 5

    hospital = Organization({"name": mark})
    role = PractitionerRole()
    role.practitioner = FHIRReference({"reference": f"Practitioner/{bundle.entry[0].resource.id}"})
    role.organization = FHIRReference({"reference": f"Organization/{hospital.create(client.server)['id']}"})
    role.create(client.server)
    roles = (
        PractitionerRole.where({"organization.name": mark})
        .include("practitioner")
        .perform_resources_iter(client.server)
    )
    assert [one.resource_type for one in roles] == ["PractitionerRole", "Practitioner"]


def test_the_statement_fits_its_models(client: FHIRClient) -> None:
    """The CapabilityStatement, read by strict R4 models, names every type the hospital keeps."""
    rest = client.server.capabilityStatement.rest[0]
    assert len(rest.resource) > 60
    assert rest.security.service[0].coding[0].code == "OAuth"


def test_a_patient_signs_in_through_it(platform: Platform) -> None:
    """The client finds the sign-in page by itself, gets its token for a code, and reads the patient's own record."""
    mine = ready_to_sign_in(platform)
    form = dict(parse_qsl(urlsplit(mine.authorize_url).query)) | {"login": "patient-001", "password": platform.password}
    sent = requests.post(f"{platform.address}/authorize", data=form, allow_redirects=False, timeout=30)
    mine.handle_callback(sent.headers["location"])
    assert mine.ready
    assert Patient.read("patient-001", mine.server).name[0].family
    with pytest.raises(FHIRNotFoundException):
        Patient.read("patient-002", mine.server)
