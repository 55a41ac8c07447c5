from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import FixedClock, SystemClock, local
from kernel.failures import Busy, Failure, Invalid, NotSignedIn
from kernel.ids import CountedIds, RandomIds, derived
from kernel.settings import Settings, SettingWrong


def test_new_ids_grow_with_time() -> None:
    """Ids made later sort later, and each is a UUID of version 7."""
    clock = FixedClock(datetime(2026, 11, 25, tzinfo=UTC))
    ids = RandomIds(clock)
    first = ids.new()
    clock.advance(timedelta(milliseconds=1))
    second = ids.new()
    assert first < second
    assert UUID(first).version == 7
    assert UUID(first).variant == "specified in RFC 4122"


def test_derived_ids_follow_from_their_source() -> None:
    """The same source gives the same id, another kind or source another."""
    assert derived("encounter", "a") == derived("encounter", "a")
    assert len({derived("encounter", "a"), derived("encounter", "b"), derived("room", "a")}) == 3


def test_counted_ids_can_be_foreseen() -> None:
    """A test knows the ids it will get."""
    ids = CountedIds("x")
    assert [ids.new(), ids.new()] == ["x-1", "x-2"]


def test_the_clock_can_be_moved() -> None:
    """An offset moves the platform's time as a whole."""
    moved = SystemClock(timedelta(days=30)).now() - SystemClock().now()
    assert timedelta(days=29, hours=23) < moved < timedelta(days=30, hours=1)


def test_the_wall_clock_is_chongqing_s() -> None:
    """Midnight UTC is eight in the morning at the hospital."""
    assert local(datetime(2028, 2, 29, tzinfo=UTC)).isoformat() == "2028-02-29T08:00:00+08:00"


class Sample(Invalid):
    """The sample is wrong.

    Send another.
    """

    code = "sample-wrong"


def test_a_failure_s_docstring_is_its_message() -> None:
    """Both faces say the docstring on one line, the code, and where it is wrong."""
    failure = Sample("at the third line", expression="Sample.line[2]")
    assert failure.outcome() == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "invalid",
                "details": {
                    "coding": [{"system": "https://yuzhen.example/fhir/CodeSystem/failure", "code": "sample-wrong"}],
                    "text": "The sample is wrong. Send another.",
                },
                "diagnostics": "at the third line",
                "expression": ["Sample.line[2]"],
            }
        ],
    }
    assert failure.problem() == {
        "type": "https://yuzhen.example/fhir/CodeSystem/failure#sample-wrong",
        "title": "The sample is wrong. Send another.",
        "status": 400,
        "code": "sample-wrong",
        "detail": "at the third line",
    }


def test_companions_are_told_in_one_answer() -> None:
    """Several things wrong at once are several issues."""
    assert len(Sample(others=(Sample(), Sample())).issues()) == 3


def test_failures_to_retry_say_when() -> None:
    """Busy tells when to come back; a missing sign-in tells how."""
    assert Busy().headers == {"Retry-After": "1"}
    assert NotSignedIn().headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("kind", Failure.__subclasses__())
def test_every_kind_has_words(kind: type[Failure]) -> None:
    """Each kind of failure has a sentence, a status and a code of its own."""
    assert len(kind("").message) > 10
    assert 400 <= kind.status < 600
    assert kind.code != "failure"


def test_settings_have_defaults_and_types() -> None:
    """An empty environment gives a platform on this machine alone."""
    settings = Settings.from_environment({})
    assert (settings.port, settings.host, settings.demo) == (8080, "127.0.0.1", True)
    assert settings.address == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("name", "value"),
    [("YUZHEN_PORT", "eighty"), ("YUZHEN_PORT", "70000"), ("YUZHEN_MODE", "test"), ("YUZHEN_CLOCK_OFFSET", "soon")],
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    """A setting that cannot be meant is refused by its name."""
    with pytest.raises(SettingWrong, match=name):
        Settings.from_environment({name: value})


@given(st.text(min_size=1, max_size=300))
def test_the_runtime_folder_is_short(folder: str) -> None:
    """However deep the state folder lies, a socket's path fits into its 107 bytes."""
    settings = Settings(state_folder="/deep/" + folder.replace("\0", ""))
    assert len(str(settings.runtime / "appointments.sock").encode()) < 108
