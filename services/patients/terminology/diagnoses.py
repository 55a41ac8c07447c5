"""The ICD-10 diagnoses known here, and how to look one up by code or name: http://hl7.org/fhir/sid/icd-10."""

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

ICD10 = "http://hl7.org/fhir/sid/icd-10"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One ICD-10 category (`I10`) or code with one decimal (`E11.9`)."""

    code: str
    display_zh: str
    display_en: str
    is_chronic: bool
    notifiable_class: str | None
    notifiable_disease_zh: str | None
    is_managed_as_class_a: bool
    syndromes: tuple[str, ...]
    list_version: str


@cache
def load() -> Mapping[str, Diagnosis]:
    """All diagnoses by code, in the order of the file."""
    text = files("services.patients.terminology").joinpath("icd10_zh_subset.csv").read_text(encoding="utf-8")
    diagnoses = [parsed(row) for row in csv.DictReader(text.splitlines())]
    return MappingProxyType({diagnosis.code: diagnosis for diagnosis in diagnoses})


def find(text: str, limit: int = 20) -> list[Diagnosis]:
    """Diagnoses whose code begins with the text, then those whose name holds all its words, categories first."""
    words = folded(text).split()
    if not words:
        return []
    by_code = [d for d in load().values() if folded(d.code).startswith(words[0])] if len(words) == 1 else []
    by_name = [d for d in load().values() if d not in by_code and all(word in _names(d.code) for word in words)]
    by_name.sort(key=lambda d: ("." in d.code, d.code))
    return (by_code + by_name)[:limit]


def category(code: str) -> str:
    """The three-character category of a code: `E11.9` belongs to `E11`. Same disease means same category (TELE-01)."""
    return code.strip().upper()[:3]


def folded(text: str) -> str:
    """Text made comparable: one width, one case."""
    return unicodedata.normalize("NFKC", text).casefold()


def parsed(row: Mapping[str, str]) -> Diagnosis:
    """One line of the file as a Diagnosis."""
    return Diagnosis(
        code=row["code"],
        display_zh=row["display_zh"],
        display_en=row["display_en"],
        is_chronic=row["chronic"] == "1",
        notifiable_class=row["notifiable_class"] or None,
        notifiable_disease_zh=row["notifiable_disease_zh"] or None,
        is_managed_as_class_a=row["managed_as_class_a"] == "1",
        syndromes=tuple(part for part in row["syndromes"].split("|") if part),
        list_version=row["list_version"],
    )


@cache
def _names(code: str) -> str:
    diagnosis = load()[code]
    return folded(f"{diagnosis.display_zh} {diagnosis.display_en}")
