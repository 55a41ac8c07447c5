"""Tests of what resources of another system are called here, and how references follow."""

from typing import Any

import orjson
import pytest

from kernel.database import PLAIN_ID
from yuzhen.load.items import Group, Item, Place
from yuzhen.load.naming import Naming

UUID = "0190a1b2-0000-7000-8000-00000000abcd"
URN = f"urn:uuid:{UUID}"


def item(type_: str = "Observation", id_: str = "", *, full_url: str = "", posted: bool = False, **said: Any) -> Item:
    """A resource somewhere in a file."""
    resource = {"resourceType": type_, **({"id": id_} if id_ else {}), **said}
    return Item(Place("f"), type_, id_, orjson.dumps(resource), full_url=full_url, posted=posted)


def pointing(reference: str, **more: Any) -> Item:
    """An observation of somebody."""
    return item("Observation", "o", subject={"reference": reference}, **more)


def subject(one: Item, naming: Naming, *others: Item) -> str:
    """What the observation's reference has become."""
    named = naming.named(one, naming.links(Group([one, *others])))
    return str(orjson.loads(named.body)["subject"]["reference"])


def test_a_sound_id_is_kept_and_nothing_is_written_anew() -> None:
    """A resource with a FHIR id of its own goes in as the very bytes it came in."""
    body = b'{ "resourceType":"Observation", "id":"a.b-1","subject":{"reference":"Patient/7"}, "n":70.10 }'
    one = Item(Place("f"), "Observation", "a.b-1", body)
    named = Naming().named(one, Naming().links(Group([one])))
    assert (named.id, named.body) == ("a.b-1", body)


def test_only_id_and_meta_are_written_anew() -> None:
    """With a source's name, id and meta.source change; every other byte stays, decimals and unknown spaces included."""
    body = b'{"resourceType":"Observation","id":"1","meta":{"tag":[]},"valueQuantity":{"value":70.100, "unit":"kg"}}'
    named = Naming("his").named(Item(Place("f"), "Observation", "1", body), Naming().links(Group()))
    assert b'"valueQuantity":{"value":70.100, "unit":"kg"}' in named.body
    assert orjson.loads(named.body)["meta"] == {"tag": [], "source": "his"}
    assert orjson.loads(named.body)["id"] == named.id != "1"


@pytest.mark.parametrize("id_", ["abc_1", "x" * 65, "病人"])
def test_an_id_that_is_none_becomes_one(id_: str) -> None:
    """What is no FHIR id is replaced by one that follows from it, and references to it follow."""
    naming = Naming()
    made = naming.id_of(item("Patient", id_))
    assert PLAIN_ID.fullmatch(made)
    assert made == naming.id_of(item("Patient", id_)) != naming.id_of(item("Patient", f"{id_}!"))
    assert subject(pointing(f"Patient/{id_}"), naming) == f"Patient/{made}"


def test_sources_are_kept_apart() -> None:
    """Two systems' resources of one id get two ids, each the same at every load; so do two types of one system."""
    names = {Naming(source).id_of(item(type_, "1")) for source in ("a", "b") for type_ in ("Patient", "Group")}
    assert len(names) == 4
    assert Naming("a").id_of(item("Patient", "1")) in names
    assert subject(pointing("Patient/1"), Naming("a")) == f"Patient/{Naming('a').id_of(item('Patient', '1'))}"
    assert subject(pointing("Patient/1/_history/2"), Naming("a")).endswith("/_history/2")


def test_a_urn_gives_an_id() -> None:
    """A posted entry's id follows from its urn, whatever id stands in the resource; a UUID is an id already."""
    for one in (item("Patient", "1", full_url=URN, posted=True), item("Patient", full_url=URN)):
        assert Naming().id_of(one) == UUID
    other = item("Patient", full_url="urn:oid:1.2.3", posted=True)
    assert PLAIN_ID.fullmatch(Naming().id_of(other))
    assert Naming("his").id_of(item("Patient", full_url=URN)) not in {UUID, Naming("b").id_of(item(full_url=URN))}
    assert Naming().id_of(item("Patient", "kept", full_url=URN)) == "kept"


def test_without_any_name_the_content_gives_the_id() -> None:
    """A resource without id or fullUrl gets the same id each time, and another one another."""
    assert Naming().id_of(item(note="a")) == Naming().id_of(item(note="a")) != Naming().id_of(item(note="b"))


def test_references_follow_full_urls() -> None:
    """Links by urn, and absolute ones to where the Bundle's entries lie, become references; foreign ones stay."""
    base = "https://old.example/fhir/"
    by_urn, by_url = item("Patient", full_url=URN, posted=True), item("Patient", "9", full_url=f"{base}Patient/9")
    assert subject(pointing(URN), Naming(), by_urn) == f"Patient/{UUID}"
    assert subject(pointing(f"{base}Patient/9"), Naming(), by_url) == "Patient/9"
    assert subject(pointing(f"{base}Patient/10"), Naming(), by_url) == "Patient/10"
    assert subject(pointing("https://other.example/fhir/Patient/9"), Naming(), by_url) == (
        "https://other.example/fhir/Patient/9"
    )


@pytest.mark.parametrize("text", ["#contained", "Practitioner?identifier=a|1", "urn:uuid:unknown"])
def test_what_is_no_link_stays(text: str) -> None:
    """Contained resources, searches and unknown urns are left to the record, under a source's name as well."""
    assert subject(pointing(text), Naming()) == subject(pointing(text), Naming("his")) == text
