"""The command line: ``electra page``, ``electra serve``, ``electra simulate``, ``electra check``."""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from electra_core.allocation import STRATEGIES
from electra_core.errors import ElectraError
from electra_core.station import StationConfig, load_config, shipped

CONFIG_HELP = "a station's file, or the name of a shipped one: electra_paris_15"


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : words of the command line; None: those of this process

    Returns
    -------
    int
        Exit code: 0, or 1 where a file, a table or a station is refused.
    """
    wanted = parser().parse_args(arguments)
    try:
        return int(wanted.run(wanted))
    except ElectraError as error:
        print(f"electra: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="electra", description="A charging station and its energy.")
    made.add_argument("--version", action="version", version=f"electra {_version()}")
    commands = made.add_subparsers(required=True, metavar="command")

    page = commands.add_parser("page", help="open the page of a station in the browser")
    page.add_argument("--port", type=_port, default=8866, help="default: 8866")
    page.add_argument("--no-browser", action="store_true", help="start the page's server and open no browser")
    page.add_argument(
        "--public", action="store_true", help="serve many visitors, with bounds, and no browser"
    )
    page.set_defaults(run=_page)

    serve = commands.add_parser("serve", help="serve a station over HTTP")
    serve.add_argument("config", help=CONFIG_HELP)
    serve.add_argument(
        "--journal", type=Path, help="its journal; default: the station's name, .journal, here"
    )
    serve.add_argument("--host", default="127.0.0.1", help="where to listen; default: this machine alone")
    serve.add_argument("--port", type=_port, default=8000, help="default: 8000")
    serve.add_argument("--simulated", action="store_true", help="time passes only by POST /v1/clock/advance")
    serve.add_argument("--quiet", action="store_true", help="log faults only, not every request and its time")
    serve.epilog = "With ELECTRA_TOKEN in the environment every change needs 'Authorization: Bearer <token>'."
    serve.set_defaults(run=_serve)

    simulate = commands.add_parser("simulate", help="play sessions at a station and print the metrics")
    simulate.add_argument("config", help=CONFIG_HELP)
    simulate.add_argument("sessions", help="a CSV of sessions, or the name of a shipped day")
    simulate.add_argument("--strategy", default="max_min", choices=list(STRATEGIES))
    simulate.add_argument("--json", action="store_true", help="print the metrics as one JSON object")
    simulate.add_argument("--save", type=Path, help="a Parquet file for the whole result")
    simulate.set_defaults(run=_simulate)

    check = commands.add_parser("check", help="read a station's file and say what is wrong with it")
    check.add_argument("config", help=CONFIG_HELP)
    check.set_defaults(run=_check)
    return made


def _page(wanted: argparse.Namespace) -> int:
    with _needs("app"):
        from voila.app import main as serve_notebook
    # Voila reads voila.json in the folder that it starts in.
    os.chdir(shipped("voila.json").parent)
    if wanted.public:
        os.environ["ELECTRA_VOILA"] = "voila_public.json"
    browser = ["--no-browser"] if wanted.no_browser else []
    serve_notebook(["notebooks/station.ipynb", f"--port={wanted.port}", *browser])
    return 0


def _serve(wanted: argparse.Namespace) -> int:
    with _needs("api"):
        import uvicorn

        from electra_core.service import Journal, LiveStation, create_app
    config = load_config(wanted.config)
    journal = wanted.journal or Path(f"{_file_name(config)}.journal")
    logging.basicConfig(level=logging.WARNING if wanted.quiet else logging.INFO, format="%(message)s")
    live = LiveStation(config, Journal(journal, config), simulated=wanted.simulated)
    app = create_app(live, os.environ.get("ELECTRA_TOKEN", "").strip() or None)
    # All that is loaded now stays: collecting garbage in it would make one answer in a hundred late.
    gc.freeze()
    print(f"{config.station_id}: http://{wanted.host}:{wanted.port}/docs", flush=True)
    # Streams never end by themselves: a server that is told to stop leaves them after two seconds.
    uvicorn.run(
        app,
        host=wanted.host,
        port=wanted.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )
    return 0


def _simulate(wanted: argparse.Namespace) -> int:
    # pandas and the compiled engine are loaded for this command only.
    with _needs("simulation"):
        from electra_core.sessions import day_names, day_sessions, read_sessions
        from electra_core.simulation import simulate

    config = load_config(wanted.config)
    is_day = wanted.sessions in day_names()
    sessions = day_sessions(wanted.sessions) if is_day else read_sessions(wanted.sessions)
    result = simulate(config, sessions, wanted.strategy)
    metrics = result.metrics()
    if wanted.json:
        print(json.dumps(metrics, indent=2, allow_nan=False))
    else:
        for name, value in metrics.items():
            print(f"{name:28} {value:,.3f}" if value is not None else f"{name:28} not known")
    if wanted.save:
        result.save(wanted.save)
    return 0


def _check(wanted: argparse.Namespace) -> int:
    config = load_config(wanted.config)
    battery = "a battery" if config.battery else "no battery"
    parts = f"{len(config.chargers)} chargers, {len(config.connectors)} connectors"
    print(
        f"{config.station_id}: {parts}, {config.grid_capacity_kw:g} kW from the grid, {battery}: all is well"
    )
    return 0


@contextmanager
def _needs(extra: str) -> Iterator[None]:
    """Turn a missing library into a sentence that names the extra of this package that brings it."""
    try:
        yield
    except ImportError as error:
        # A name that is loaded on demand has the missing library as its cause.
        missing = error.__cause__ or error
        name = (getattr(missing, "name", "") or "").partition(".")[0]
        if not isinstance(missing, ModuleNotFoundError) or name == "electra_core":
            raise
        raise ElectraError(
            f"{name} is not installed: this command needs pip install 'electra-core[{extra}]'"
        ) from None


def _version() -> str:
    try:
        return version("electra-core")
    except PackageNotFoundError:  # run from a folder into which it was never installed
        return "of a version that is not known: it is not installed"


def _port(words: str) -> int:
    if words.isascii() and words.isdecimal() and int(words) < 2**16:
        return int(words)
    raise argparse.ArgumentTypeError(f"a port is a number up to {2**16 - 1}, got {words!r}")


def _file_name(config: StationConfig) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in config.station_id)


if __name__ == "__main__":
    sys.exit(main())
