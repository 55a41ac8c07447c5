"""The command line: `yuzhen up`, `migrate`, `room`, `worker`, `token`, `demo`, `load`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kernel.settings import Settings, SettingWrong

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()


@app.command()
def up() -> None:
    """Run the whole platform here until Ctrl-C."""
    from yuzhen.up import up as run

    os.umask(0o077)
    raise typer.Exit(run(Settings.from_environment(), console))


@app.command()
def migrate() -> None:
    """Bring the database to what this version expects."""
    from yuzhen.migrate import migrate as run
    from yuzhen.production import refuse_demo_in_production

    settings = Settings.from_environment()
    asyncio.run(run(settings))
    asyncio.run(refuse_demo_in_production(settings))


@app.command()
def room(
    name: Annotated[str, typer.Argument(help="gateway, identity, patients, appointments, consult or pharmacy")],
) -> None:
    """Serve one room, as a container does."""
    from yuzhen.serve import listen, serve

    settings = Settings.from_environment()
    serve(name, settings, listen(settings, name))


@app.command()
def rtc() -> None:
    """Run one media node."""
    from services.consult.rtc import node

    settings = Settings.from_environment()
    node.serve(control=settings.rtc_address, media_addresses=settings.media_addresses, media_port=settings.media_port)


@app.command()
def token(
    account: Annotated[str, typer.Argument(help="a demo account, such as doctor-001, or the name of a system")],
    system: Annotated[bool, typer.Option("--system", help="for another system, such as laboratory")] = False,
) -> None:
    """Print an access token, good for an hour: for a demo account (demo mode only), or for another system."""
    from yuzhen.token import TokenRefused, system_token
    from yuzhen.token import token as make

    settings = Settings.from_environment()
    try:
        made = system_token(settings, account)() if system else asyncio.run(make(settings, account))
        sys.stdout.write(made + "\n")
    except TokenRefused as no:
        console.print(f"[red]{no}[/]")
        raise typer.Exit(1) from None


@app.command()
def demo() -> None:
    """Drive one whole visit over the public interfaces of the running platform."""
    from yuzhen.demo.run import run

    raise typer.Exit(run(Settings.from_environment(), console))


@app.command()
def seed() -> None:
    """Fill an empty record with demo data (demo mode), and open the days of the coming fortnight."""
    from yuzhen.seed import seed as fill

    asyncio.run(fill(Settings.from_environment()))


@app.command()
def load(
    paths: Annotated[list[str], typer.Argument(help="Bundles and NDJSON files, also .gz, folders of these, or -")],
    source: Annotated[str, typer.Option(help="name of the system they come from; its ids are then derived")] = "",
    report: Annotated[Path, typer.Option(help="gets a line for each refused resource")] = Path("load-refused.ndjson"),
    to: Annotated[str, typer.Option(help="address of the platform; by default the one on this machine")] = "",
    token_file: Annotated[str, typer.Option(help="file with a system's access token")] = "",
    at_once: Annotated[int, typer.Option(min=1, max=64, help="transactions in flight")] = 4,
) -> None:
    """Bring in patients and histories of another system; done again, it enters nothing twice."""
    from yuzhen.load.run import load as run
    from yuzhen.load.wish import WishWrong, wish_for

    settings = Settings.from_environment()
    try:
        wish = wish_for(settings, paths, name=source, report=report, to=to, token_file=token_file, at_once=at_once)
    except WishWrong as no:
        console.print(f"[red]{no}[/]")
        raise typer.Exit(2) from None
    raise typer.Exit(run(wish, console))


@app.command()
def worker() -> None:
    """Do what is due for every room."""
    from yuzhen.worker import run

    run(Settings.from_environment())


def main() -> None:
    """The program's entry; known failures end in one plain sentence."""
    from yuzhen.embedded import EngineMissing
    from yuzhen.serve import PortTaken
    from yuzhen.supervisor import AlreadyRunning

    try:
        app()
    except (SettingWrong, EngineMissing, PortTaken, AlreadyRunning) as known:
        console.print(f"[red]{known}[/]")
        sys.exit(1)
