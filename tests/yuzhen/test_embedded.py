"""PostgreSQL of the platform's own."""

import tempfile
from pathlib import Path

from kernel.settings import Settings
from yuzhen.embedded import initialise_postgres, prepare_runtime


def test_a_folder_that_was_there_before_will_do() -> None:
    """A state folder that others may look into holds a new cluster as well as one made here."""
    with tempfile.TemporaryDirectory(prefix="yz-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        settings = Settings.from_environment({"YUZHEN_STATE": folder})
        prepare_runtime(settings)
        initialise_postgres(settings)
        assert (Path(folder) / "postgres" / "ready").exists()
