"""HL7's official examples, read from their archive."""

import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import orjson

FOLDER = Path(__file__).parent / "examples"
NOT_SOUND: Mapping[str, str] = {
    "DeviceMetric-example.json": "DeviceMetric.parent",
    "DeviceUseStatement-example.json": "DeviceUseStatement.reasonReference[0]",
    "MedicationRequest-medrx0301.json": "MedicationRequest.dispenseRequest.performer",
    "Observation-clinical-gender.json": "Observation.performer[0]",
    "Questionnaire-qs1.json": "Questionnaire.item[0].item[0]",
    "Questionnaire-zika-virus-exposure-assessment.json": "Questionnaire.text",
}
"""Examples that break their own definition, with the first place where they do (examples/README.md says how)."""


@cache
def examples() -> Mapping[str, bytes]:
    """File name -> exact bytes."""
    with tarfile.open(FOLDER / "official.tar.xz") as archive:
        members = ((member.name, archive.extractfile(member)) for member in archive.getmembers())
        return {name: file.read() for name, file in members if file}


def sound_examples() -> Mapping[str, bytes]:
    """Those that follow their own definition."""
    return {name: body for name, body in examples().items() if name not in NOT_SOUND}


def type_of(body: bytes) -> str:
    """The resource type of a body."""
    return str(orjson.loads(body)["resourceType"])
