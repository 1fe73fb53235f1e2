"""One run of the published simulator acnportal (ACN-Sim), told as one line of JSON.

It runs in the peer's own environment (``environment.py`` makes it) and knows nothing of Electra::

    python run_acnportal.py sessions.csv --limit-kw 10 --algorithm edf

The sessions come in one of two forms, told apart by the file's first line: in steps (``station_id``,
``arrival_step``, ``departure_step``, ``requested_kwh``) or in minutes (``connector``, ``arrival_min``,
``departure_min``, ``energy_kwh``); both have a ``session_id``. All connectors stand under one limit of the
site, and a car takes what it is given up to its maximum power, until it has what it asked for.

By default a connector gives what the car can take. With ``--published`` it gives 32 A, and the stations are
the 54 of the site in acnportal's own order, which decides between sessions that rank the same: the setting
of the published comparison (acnportal-experiments, notebook 2.1). There a car at full power is given 6.656 kW
and takes 6.6; what is between is lost, up to 0.4 % of the energy requested in March 2019.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from acnportal import algorithms
from acnportal.acnsim import EventQueue, PluginEvent, Simulator
from acnportal.acnsim.models import EV, EVSE, Battery
from acnportal.acnsim.network import ChargingNetwork, Current
from acnportal.acnsim.network.sites import caltech_acn

# The day does not matter: nothing here depends on a calendar.
START = datetime(2019, 3, 1)
PUBLISHED_A = 32

ORDERS = {
    "edf": algorithms.earliest_deadline_first,
    "fcfs": algorithms.first_come_first_served,
    "lcfs": algorithms.last_come_first_served,
    "llf": algorithms.least_laxity_first,
    "lrpt": algorithms.largest_remaining_processing_time,
}
ALGORITHMS = [*ORDERS, "round_robin"]


class Session(NamedTuple):
    """A car that is plugged in from its arrival step up to, but not in, its departure step."""

    session_id: str
    station_id: str
    arrival_step: int
    departure_step: int
    requested_kwh: float


def whole_steps(minutes: str, step_minutes: float) -> int:
    """So many steps; the peer knows no part of a step, and rounding here would change the question."""
    steps = float(minutes) / step_minutes
    if steps != int(steps):
        raise SystemExit(f"{minutes} minutes are not a whole number of steps of {step_minutes:g} minutes")
    return int(steps)


def session_of(row: dict[str, str], step_minutes: float) -> Session:
    """A row of either form."""
    if "arrival_step" in row:
        steps = int(row["arrival_step"]), int(row["departure_step"])
        return Session(row["session_id"], row["station_id"], *steps, float(row["requested_kwh"]))
    steps = whole_steps(row["arrival_min"], step_minutes), whole_steps(row["departure_min"], step_minutes)
    return Session(row["session_id"], row["connector"], *steps, float(row["energy_kwh"]))


def read_sessions(path: Path, step_minutes: float) -> list[Session]:
    """The file's sessions, in its order."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [session_of(row, step_minutes) for row in csv.DictReader(lines)]


def stations_of(sessions: list[Session], published: bool) -> list[str]:
    """Their order decides between sessions that rank the same. ``2`` comes before ``10``."""
    station_ids = {session.station_id for session in sessions}
    if not published:
        return sorted(station_ids, key=lambda name: (len(name), name))
    site_ids = list(caltech_acn().station_ids)
    if missing := sorted(station_ids.difference(site_ids)):
        raise SystemExit(f"the published site has no station {missing[0]}: leave --published out")
    return site_ids


def network_of(station_ids: list[str], options: argparse.Namespace) -> ChargingNetwork:
    """The stations under one limit; one phase and one voltage, so that amperes and kilowatts say the same."""
    connector_a = PUBLISHED_A if options.published else options.max_kw * 1000 / options.voltage
    network = ChargingNetwork()
    for station_id in station_ids:
        network.register_evse(EVSE(station_id, max_rate=connector_a), options.voltage, 0)
    network.add_constraint(Current(station_ids), options.limit_kw * 1000 / options.voltage, name="site")
    return network


def car_of(session: Session, max_kw: float) -> EV:
    """A car with an ideal battery that has room for exactly what is asked for."""
    battery = Battery(session.requested_kwh, 0, max_kw)
    return EV(
        session.arrival_step,
        session.departure_step,
        session.requested_kwh,
        session.station_id,
        session.session_id,
        battery,
    )


def scheduler_of(algorithm: str) -> algorithms.SortedSchedulingAlgo:
    """Round robin goes around in the order of arrival, as in the published comparison."""
    if algorithm == "round_robin":
        return algorithms.RoundRobin(algorithms.first_come_first_served)
    return algorithms.SortedSchedulingAlgo(ORDERS[algorithm])


def simulator_of(sessions: list[Session], options: argparse.Namespace) -> Simulator:
    """Everything that the run needs, built."""
    arrivals = [PluginEvent(session.arrival_step, car_of(session, options.max_kw)) for session in sessions]
    return Simulator(
        network_of(stations_of(sessions, options.published), options),
        scheduler_of(options.algorithm),
        EventQueue(arrivals),
        START,
        period=options.step_minutes,
        verbose=False,
    )


def run(options: argparse.Namespace) -> tuple[Simulator, dict[str, float]]:
    """The simulator after its run, and the seconds: of the run alone, and with reading and building."""
    start_s = time.perf_counter()
    sessions = read_sessions(options.sessions, options.step_minutes)
    simulator = simulator_of(sessions, options)
    built_s, built_cpu_s = time.perf_counter(), time.process_time()
    simulator.run()
    end_s, end_cpu_s = time.perf_counter(), time.process_time()
    return simulator, {
        "run_s": end_s - built_s,
        "run_cpu_s": end_cpu_s - built_cpu_s,
        "wall_s": end_s - start_s,
    }


def answers(simulator: Simulator, voltage: float) -> dict[str, float]:
    """What the run did and what came out of it."""
    cars = simulator.ev_history.values()
    requested_kwh = sum(car.requested_energy for car in cars)
    delivered_kwh = sum(car.energy_delivered for car in cars)
    return {
        "sessions": len(cars),
        "steps": simulator.iteration,
        "session_steps": sum(car.departure - car.arrival for car in cars),
        "requested_kwh": requested_kwh,
        "delivered_kwh": delivered_kwh,
        "delivered_share": delivered_kwh / requested_kwh,
        "peak_kw": float(simulator.peak) * voltage / 1000,
    }


def write_energies(simulator: Simulator, path: Path) -> None:
    """What each car got, so that answers can be compared one by one."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["session_id", "delivered_kwh"])
        writer.writerows((car.session_id, car.energy_delivered) for car in simulator.ev_history.values())


def versions() -> dict[str, str]:
    """What the seconds depend on."""
    return {"python": platform.python_version()} | {
        name: version(name) for name in ("acnportal", "numpy", "pandas")
    }


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="One run of acnportal, told as one line of JSON.")
    parser.add_argument("sessions", type=Path, help="CSV")
    parser.add_argument("--limit-kw", type=float, required=True, help="of the site")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="edf")
    parser.add_argument("--step-minutes", type=float, default=5)
    parser.add_argument("--max-kw", type=float, default=6.6, help="of a car")
    parser.add_argument("--voltage", type=float, default=208)
    parser.add_argument("--published", action="store_true", help="stations of the published comparison")
    parser.add_argument("--energies", type=Path, help="CSV to write: what each session got")
    return parser.parse_args()


def main() -> None:
    """Print one line."""
    options = parse()
    simulator, seconds = run(options)
    if options.energies:
        write_energies(simulator, options.energies)
    result: dict[str, Any] = {"algorithm": options.algorithm, "limit_kw": options.limit_kw, **seconds}
    print(json.dumps(result | answers(simulator, options.voltage) | {"versions": versions()}))


if __name__ == "__main__":
    main()
