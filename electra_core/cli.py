"""The command line: ``electra serve``, ``electra check``, ``electra simulate``."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from pathlib import Path

from electra_core.allocation import STRATEGIES
from electra_core.station import StationConfig, load_config


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code says whether it was done."""
    wanted = parser().parse_args(arguments)
    try:
        return int(wanted.run(wanted))
    except ValueError as error:  # whatever a file, a table or a station is refused for
        print(f"electra: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """What the command line understands."""
    made = argparse.ArgumentParser(prog="electra", description="A charging station and its energy.")
    commands = made.add_subparsers(required=True, metavar="command")

    check = commands.add_parser("check", help="read a station's file and say what is wrong with it")
    check.add_argument("config", type=Path, help="a station's file")
    check.set_defaults(run=_check)

    simulate = commands.add_parser("simulate", help="play sessions at a station and print what came out")
    simulate.add_argument("config", type=Path, help="a station's file")
    simulate.add_argument("sessions", help="a CSV of sessions, or the name of a shipped day")
    simulate.add_argument("--strategy", default="max_min", choices=list(STRATEGIES))
    simulate.add_argument("--save", type=Path, help="a Parquet file for the whole result")
    simulate.set_defaults(run=_simulate)

    serve = commands.add_parser("serve", help="serve a station over HTTP")
    serve.add_argument("config", type=Path, help="a station's file")
    serve.add_argument(
        "--journal", type=Path, help="its journal; default: the station's name, .journal, here"
    )
    serve.add_argument("--host", default="127.0.0.1", help="where to listen; default: this machine alone")
    serve.add_argument("--port", type=_port, default=8000)
    serve.add_argument("--simulated", action="store_true", help="time passes only by POST /v1/clock/advance")
    serve.add_argument("--quiet", action="store_true", help="log faults only, not every request and its time")
    serve.epilog = "With ELECTRA_TOKEN in the environment every change needs 'Authorization: Bearer <token>'."
    serve.set_defaults(run=_serve)
    return made


def _check(wanted: argparse.Namespace) -> int:
    config = load_config(wanted.config)
    battery = "a battery" if config.battery else "no battery"
    plugs = f"{len(config.chargers)} chargers, {len(config.connectors)} connectors"
    print(
        f"{config.station_id}: {plugs}, {config.grid_capacity_kw:g} kW from the grid, {battery}: all is well"
    )
    return 0


def _simulate(wanted: argparse.Namespace) -> int:
    # pandas and the compiled clock are loaded only where somebody asks for them.
    from electra_core.sessions import day_names, day_sessions, read_sessions
    from electra_core.simulation import simulate

    config = load_config(wanted.config)
    shipped = wanted.sessions in day_names()
    sessions = day_sessions(wanted.sessions) if shipped else read_sessions(wanted.sessions)
    result = simulate(config, sessions, wanted.strategy)
    for name, value in result.metrics().items():
        print(f"{name:28} {value:,.3f}" if value is not None else f"{name:28} not known")
    if wanted.save:
        result.save(wanted.save)
    return 0


def _serve(wanted: argparse.Namespace) -> int:
    try:
        import uvicorn

        from electra_core.service import Journal, JournalError, LiveStation, create_app
    except ImportError as error:
        raise ValueError(f"serving needs the extra [api]: {error.name} is not installed") from None
    config = load_config(wanted.config)
    journal = wanted.journal or Path(f"{_file_name(config)}.journal")
    logging.basicConfig(level=logging.WARNING if wanted.quiet else logging.INFO, format="%(message)s")
    try:
        live = LiveStation(config, Journal(journal, config), simulated=wanted.simulated)
    except JournalError as error:
        raise ValueError(str(error)) from None
    app = create_app(live, os.environ.get("ELECTRA_TOKEN", "").strip() or None)
    # What is loaded now stays: looking through it for garbage would make one answer in a hundred late.
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


def _port(words: str) -> int:
    if words.isascii() and words.isdecimal() and int(words) < 2**16:
        return int(words)
    raise argparse.ArgumentTypeError(f"a port is a number up to {2**16 - 1}, got {words!r}")


def _file_name(config: StationConfig) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in config.station_id)


if __name__ == "__main__":
    sys.exit(main())
