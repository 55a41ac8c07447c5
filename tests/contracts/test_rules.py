"""Our own rules, each with a snippet it lets pass and one it does not."""

from types import ModuleType

import pytest

from tools.rules import (
    commit_at_edge,
    guarded_routes,
    injected_clock,
    no_traces,
    places,
    quiet_logs,
    sizes,
    words,
)
from tools.rules.__main__ import findings
from tools.rules.source import Source

USE_CASE = "services/appointments/booking.py"
ROUTES = "services/appointments/routes.py"
STORE = Source.of("services/appointments/store.py", "")
GUARD = Source.of("services/appointments/guards.py", "MayBook = Annotated[Principal, Depends(allow(Role.PATIENT))]")


def broken(rule: ModuleType, path: str, text: str, *others: Source) -> list[int]:
    """Lines of the snippet the rule complains about."""
    return [finding.line for finding in rule.check([Source.of(path, text), *others]) if finding.path == path]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (USE_CASE, "await session.commit()"),
        (USE_CASE, "await tx.raw.execute('commit')"),
        (USE_CASE, "await tx.raw.execute('begin; set local role x')"),
        (USE_CASE, "async with engine.begin() as connection: pass"),
        (USE_CASE, "async with room.database.transaction() as tx: pass"),
        ("record/write.py", "connection.rollback()"),
    ],
)
def test_commit_elsewhere_is_found(path: str, text: str) -> None:
    """A commit, or a transaction of its own, outside the edge is found."""
    assert broken(commit_at_edge, path, text) == [1]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("kernel/database.py", "await raw.execute('commit')"),
        ("services/appointments/jobs.py", "async with room.database.transaction() as tx: pass"),
        (USE_CASE, "await tx.raw.execute('update slot set committed = true')"),
        (USE_CASE, "words = by_key('end')"),
        ("tests/kernel/test_database.py", "await raw.execute('commit')"),
    ],
)
def test_commit_at_the_edge_is_fine(path: str, text: str) -> None:
    """The edge commits, jobs open transactions, and other words are left alone."""
    assert broken(commit_at_edge, path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime\nx = datetime.now(UTC)",
        "import datetime as dt\nx = dt.date.today()",
        "from time import time as now\nx = now()",
        "import uuid\nx = field(default_factory=uuid.uuid4)",
        "import os\nx = 'update slot set at = now() where id = $1'",
        "import os\nx = f'insert into {t} values (gen_random_uuid())'",
    ],
)
def test_clock_of_the_machine_is_found(text: str) -> None:
    """Now and new ids fetched from the machine or the database are found, whatever the import is called."""
    assert broken(injected_clock, USE_CASE, text) == [2]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (USE_CASE, "at = clock.now()"),
        (USE_CASE, "import time\nstarted = time.monotonic()"),
        (USE_CASE, "from datetime import datetime\nat = datetime.fromtimestamp(exp, UTC)"),
        ("kernel/clock.py", "from datetime import datetime\nat = datetime.now(UTC)"),
        ("services/consult/rtc/rtp.py", "import time\nat = time.time()"),
        ("yuzhen/demo/visit.py", "import time\nat = time.time()"),
    ],
)
def test_injected_clock_is_fine(path: str, text: str) -> None:
    """A clock that was handed in, a monotonic clock, and the few places that are the clock."""
    assert broken(injected_clock, path, text) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("r = APIRouter()\n@r.get('/Slot')\nasync def slots(by: MayBook): ...", 2),
        ("r = APIRouter(route_class=Other)\n@r.get('/Slot')\nasync def slots(by: MayBook): ...", 2),
        ("r = APIRouter()\nasync def slots(by: MayBook): ...\nr.add_api_route('/Slot', slots)", 3),
        ("r = APIRouter(route_class=ReadRoute)\n@r.get('/Slot')\nasync def slots(tx: InTransaction): ...", 2),
        ("r = APIRouter(route_class=ReadRoute)\nr.add_api_route('/Slot', made_elsewhere)", 2),
        ("r = APIRouter(route_class=ReadRoute)\n@r.websocket('/live')\nasync def live(by: MayBook): ...", 2),
        ("@app.get('/Slot')\nasync def slots(): ...", 1),
    ],
)
def test_open_route_is_found(text: str, line: int) -> None:
    """A router that asks nobody's name and a route without a guard are found."""
    assert broken(guarded_routes, ROUTES, text, GUARD) == [line]


@pytest.mark.parametrize(
    "text",
    [
        "r = APIRouter(route_class=CommandRoute)\n@r.post('/Slot')\nasync def hold(by: MayBook): ...",
        "r = APIRouter(route_class=ReadRoute)\n@r.get('/Slot')\nasync def one(by: Annotated[Principal, D(f)]): ...",
        "r = APIRouter(route_class=ReadRoute)\nasync def one(*, by: guards.MayBook): ...\nr.add_api_route('/S', one)",
        "answer = await http.get('/Slot')",
    ],
)
def test_guarded_route_is_fine(text: str) -> None:
    """A guard by its name, in place, or on a route added by hand."""
    assert broken(guarded_routes, ROUTES, text, GUARD) == []


@pytest.mark.parametrize(
    "text",
    [
        "log.info(f'booked {slot_id}')",
        "log.info('booked %s' % slot_id)",
        "log.info('called %s', patient.name)",
        "log.warning('wrong: %s', body)",
        "log.warning('wrong: %s', request.url)",
        "log.warning('seen %s', patient_id)",
        "log.error('failed: %s', error)",
        "log.error('failed: %s', str(error))",
        "log.exception('failed')",
        "log.error('failed', exc_info=True)",
        "log.info('row %s', row['phone'])",
        "print(resource)",
        "traceback.print_exc()",
    ],
)
def test_talkative_log_is_found(text: str) -> None:
    """A log line that could carry a patient's data is found."""
    assert broken(quiet_logs, USE_CASE, text) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "log.info('booked %s at attempt %d', slot_id, attempts + 1)",
        "log.error('event %s failed: %s', event_id, place_of(wrong))",
        "log.warning('%d rows wait, %s', len(patients), failure.code)",
        "log.log(level, 'stopped with %d', status)",
        "log.info('a %s fell', type(error).__name__)",
        "math.log(body)",
    ],
)
def test_quiet_log_is_fine(text: str) -> None:
    """Fixed sentences with ids of work, codes, counts and places of errors."""
    assert broken(quiet_logs, USE_CASE, text) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services/appointments/slot.py", "import sqlalchemy"),
        ("services/appointments/slot.py", "from kernel.database import Transaction"),
        ("services/appointments/queue_store.py", "from services.appointments import booking"),
        ("services/appointments/slot.py", "from services.appointments import routes"),
        ("services/appointments/store.py", "from services.appointments import booking"),
        ("services/appointments/store.py", "from services.appointments.fhir import slot"),
        (USE_CASE, "from services.appointments import store\nfrom services.appointments.app import create_app"),
        (USE_CASE, "from . import store\nfrom .routes import router"),
    ],
)
def test_call_upwards_is_found(path: str, text: str) -> None:
    """A pure file that is not pure, and calls that run upwards or sideways, are found."""
    others = [Source.of(f"services/appointments/{name}.py", "") for name in ("app", "routes", "fhir")]
    others += [Source.of(USE_CASE, "from services.appointments import store"), STORE]
    found = broken(places, path, text, *(other for other in others if other.path != path))
    assert found == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services/appointments/slot.py", "import enum\nfrom kernel.clock import Clock\nfrom kernel import ids"),
        ("services/appointments/slot.py", "from services.appointments.failures import SlotTaken"),
        (USE_CASE, "from services.appointments import store\nfrom kernel.database import Transaction"),
        (USE_CASE, "from services.appointments import queue_store\nfrom kernel.database import Transaction"),
        (USE_CASE, "from record import read\nfrom kernel.database import Transaction"),
        ("services/appointments/queue_store.py", "import asyncpg"),
        (ROUTES, "from fastapi import APIRouter\nfrom services.appointments import booking"),
        ("services/consult/rtc/peer.py", "import aiortc"),
        ("services/appointments/migrations/0001_pre_slots.py", "import alembic"),
    ],
)
def test_call_downwards_is_fine(path: str, text: str) -> None:
    """Pure values, use cases over a store, routes over use cases; the media node and migrations stand apart."""
    others = [Source.of("services/appointments/failures.py", "from kernel.failures import Conflict"), STORE]
    others += [
        Source.of("kernel/ids.py", ""),
        Source.of("services/appointments/queue_store.py", ""),
        Source.of(USE_CASE, "from services.appointments import store"),
    ]
    assert broken(places, path, text, *(other for other in others if other.path != path)) == []


def test_full_kernel_is_found() -> None:
    """A sixteenth file in the kernel is one too many."""
    kernel = [Source.of(f"kernel/part{number:02}.py", "") for number in range(16)]
    assert [finding.path for finding in places.check(kernel)] == ["kernel/part15.py"]
    assert list(places.check(kernel[:15])) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services/appointments/utils.py", ""),
        (USE_CASE, "class SlotManager: ..."),
        (USE_CASE, "def process_slot(): ..."),
        (USE_CASE, "def patient_info(): ..."),
    ],
)
def test_empty_word_is_found(path: str, text: str) -> None:
    """Names that fit everything are found."""
    assert broken(words, path, text) == [1]


def test_telling_word_is_fine() -> None:
    """A word inside a longer word is another word."""
    assert broken(words, USE_CASE, "class Information: ...\ndef datagram(): ...\ndef processed(): ...") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1", 1),
        ('"""A room."""\ndef book(): ...', 2),
        ('"""A room."""\nclass Slot: ...', 2),
        ('"""A room."""\n' + "x = 1\n" * 330, 1),
    ],
)
def test_unexplained_or_endless_file_is_found(text: str, line: int) -> None:
    """A file without a first sentence, a public thing without one, and 331 lines are found."""
    assert broken(sizes, USE_CASE, text) == [line]


def test_explained_file_is_fine() -> None:
    """A sentence for the file and for each public thing is enough; empty files need none."""
    assert broken(sizes, USE_CASE, '"""Book."""\ndef book():\n    """Book."""\ndef _part(): ...') == []
    assert broken(sizes, "services/__init__.py", "") == []


def test_test_without_a_sentence_is_found() -> None:
    """A test function states its behaviour in a sentence; its fixtures need not."""
    assert broken(sizes, "tests/test_x.py", "def room(): ...\ndef test_room(): ...") == [2]


@pytest.mark.parametrize(
    "trace", [("pypi", ".org/simple"), ("registry.npmjs", ".org"), ("/ro", "ot/x"), ("/tm", "p/x")]
)
@pytest.mark.parametrize("path", ["README.md", "kernel/clock.py", "web/package-lock.json"])
def test_trace_is_found(path: str, trace: tuple[str, str]) -> None:
    """Package hosts and machine paths are found in any kind of file."""
    assert broken(no_traces, path, f"# see {''.join(trace)}") == [1]


def test_relative_path_is_fine() -> None:
    """Paths within the tree, in addresses and in variables are no traces."""
    assert broken(no_traces, "README.md", "see docs/home/page, $HOME/x, https://yuzhen.example/root/x") == []


def said(text: str, path: str = "services/appointments/walk.py") -> list[str]:
    """What all rules together say about one file."""
    return [finding.rule for finding in findings([Source.of(path, f'"""A room."""\n{text}')])]


def test_excuse_with_a_reason_counts() -> None:
    """An excuse on the line, or in a comment right above it, takes the finding away."""
    assert said("tx.commit()") == ["commit-at-the-edge"]
    assert said("tx.commit()  # rule: commit-at-the-edge because a migration is an edge") == []
    assert said("# rule: commit-at-the-edge because a migration\n# is an edge of its own\ntx.commit()") == []
    assert said("# rule: commit-at-the-edge because of this\nx = 1\ntx.commit()") == ["excuses", "commit-at-the-edge"]


def test_excuse_of_a_route_counts_where_it_is_read() -> None:
    """A route is excused on its decorator or on its function, whichever line the writer chose."""
    route = 'r = APIRouter()\n@r.get(\'/jwks\')%s\nasync def keys(): %s\n    """Public keys."""'
    why = "  # rule: guarded-routes because public keys are public"
    assert said(route % ("", "")) == ["guarded-routes"]
    assert said(route % (why, "")) == []
    assert said(route % ("", why)) == []


def test_poor_excuse_is_found() -> None:
    """An excuse without a reason, for no rule, or for nothing is a finding itself."""
    assert said("tx.commit()  # rule: commit-at-the-edge") == ["excuses"]
    assert said("x = 1  # rule: no-such-rule because I say so") == ["excuses"]
    assert said("x = 1  # rule: quiet-logs because it once logged") == ["excuses"]
    assert said("x = '# rule: commit-at-the-edge'") == []
