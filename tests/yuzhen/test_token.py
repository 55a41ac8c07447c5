"""Tokens given out by the command line."""

from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from yuzhen.cli import app


def test_a_system_gets_a_token_where_the_signing_key_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laboratory's token names it as a system; without the platform's secrets there is none, and it says why."""
    monkeypatch.setenv("YUZHEN_STATE", str(tmp_path))
    refused = CliRunner().invoke(app, ["token", "laboratory", "--system"])
    assert refused.exit_code == 1
    assert "secrets" in refused.output
    key = ECKey.generate_key("P-256")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "identity-signing.pem").write_bytes(key.as_pem(private=True))
    given = CliRunner().invoke(app, ["token", "laboratory", "--system"])
    claims = jwt.decode(given.output.strip(), key).claims
    assert (claims["sub"], claims["role"]) == ("laboratory", "system")
