"""no-traces: nothing committed names the machine it was written on or where its packages came from.

A lock file that lists a package host fails behind a hospital's own mirror, and a machine's path fails everywhere else.
"""

import re
from collections.abc import Iterator, Sequence

from tools.rules.source import Finding, Source

NAME = "no-traces"
HOSTS = re.compile(
    r"\b(pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|deb\.debian\.org|npmmirror\.com"
    r"|pypi\.tuna\.\w+|mirrors\.[\w.-]+)",
)
PATHS = re.compile(r"(?<![\w.$}/-])/(work|root|home|Users|opt/pypi)/[\w.-]+")
SCRATCH = re.compile(r"(?<![\w.$}/-])/tm[p]/[\w.-]+")


def check(sources: Sequence[Source]) -> Iterator[Finding]:
    """Lines that name a package host or a place on somebody's machine."""
    for source in sources:
        for number, line in enumerate(source.text.splitlines(), 1):
            for pattern in (HOSTS, PATHS, SCRATCH):
                if found := pattern.search(line):
                    yield source.finding(number, NAME, f"'{found[0]}' exists on one machine only: make it a setting")
