"""The safe order of commands: no limit carries too much on the way, even with losses and delays."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stations import TINY_KW, assert_within_limits, make_station, snapshots

from electra_core import Allocation, Demand, Snapshot, Vehicle, allocate
from electra_core.allocation import BATTERY
from electra_core.allocation.setpoints import SetPoint

# Setpoint in kW and modules of each session, and of the battery, by name.
Setpoints = dict[str, tuple[float, int | None]]


@dataclass(frozen=True)
class Change:
    """A change from one snapshot of a station to another, in which everything may differ."""

    before: Snapshot
    after: Snapshot
    old: Allocation
    new: Allocation
    commands: tuple[SetPoint, ...]

    def setpoints(self, done: Iterable[int]) -> Setpoints:
        """Return the setpoints after the commands with these numbers were carried out in turn."""
        commands = [self.commands[number - 1] for number in done]
        return {**setpoints_of(self.old), **{each.session_id: (each.kw, each.modules) for each in commands}}

    def loads_kw(self, setpoints: Setpoints) -> dict[str, float]:
        """Return what the site and each charger carry, added up again from the setpoints."""
        kw = {"site": setpoints[BATTERY][0], **dict.fromkeys(self.after.charger_kw, 0.0)}
        at = {each.session_id: each.charger_id for each in (*self.before.demands, *self.after.demands)}
        for name, (session_kw, modules) in setpoints.items():
            if name == BATTERY:
                continue
            size_kw = self.after.module_kw.get(at[name])
            kw[at[name]] += session_kw if size_kw is None else (modules or 0) * size_kw
            kw["site"] += session_kw / self.after.efficiency.get(at[name], 1.0)
        return kw

    def assert_safe(self, done: Iterable[int]) -> None:
        """Check that no limit carries more than in the larger of the two allocations."""
        old_kw, new_kw = self.loads_kw(setpoints_of(self.old)), self.loads_kw(setpoints_of(self.new))
        for limit, kw in self.loads_kw(self.setpoints(done)).items():
            assert kw <= max(old_kw[limit], new_kw[limit]) + TINY_KW, limit


def setpoints_of(allocation: Allocation) -> Setpoints:
    sessions = {name: (kw, allocation.modules.get(name)) for name, kw in allocation.offered_kw.items()}
    return {**sessions, BATTERY: (allocation.battery_kw, None)}


held = st.lists(st.integers(0, 2), min_size=6, max_size=6)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw two snapshots of one station: cars came and left, limits moved, the battery changed direction."""
    drawn = [draw(snapshots(minima=True, most=6)) for _ in range(2)]
    chargers = sorted({name for each in drawn for name in each.charger_kw})
    efficiency = {name: draw(st.sampled_from([1.0, 0.9, 0.5])) for name in chargers}
    sizes = {name: draw(st.sampled_from([0.0, 0.0, 25.0, 75.0])) for name in chargers}
    # A session stays at its charger.
    charger_of = {demand.session_id: demand.charger_id for each in reversed(drawn) for demand in each.demands}
    pair = []
    for each in drawn:
        # Modules that are kept may carry less than they could, and then fall while the power rises.
        keeps = draw(st.booleans())
        demands = [
            replace(demand, charger_id=charger_of[demand.session_id], modules=modules, keeps_modules=keeps)
            for demand, modules in zip(each.demands, draw(held), strict=False)
        ]
        # A charger with modules has a finite number of them.
        limits = {name: each.charger_kw.get(name, 300.0) for name in chargers}
        limits = {name: 300.0 if kw is None and sizes[name] else kw for name, kw in limits.items()}
        module_kw = {name: size_kw for name, size_kw in sizes.items() if size_kw}
        pair.append(
            replace(each, charger_kw=limits, demands=demands, efficiency=efficiency, module_kw=module_kw)
        )
    old, new = (allocate(snapshot) for snapshot in pair)
    return Change(*pair, old, new, new.setpoints_from(old))


def load_kw(change: Change, name: str, setpoints: Setpoints) -> tuple[float, float]:
    """Return what one session, or the battery, takes of the site and of its charger."""
    kw, modules = setpoints.get(name, (0.0, None))
    if name == BATTERY:
        return kw, 0.0
    demands = (*change.before.demands, *change.after.demands)
    at = next(each.charger_id for each in demands if each.session_id == name)
    size_kw = change.after.module_kw.get(at)
    return kw * (1.0 / change.after.efficiency[at]), kw if size_kw is None else (modules or 0) * size_kw


def rises(change: Change, command: SetPoint) -> bool:
    """Return whether a command takes more of the site or of a charger than was taken before it."""
    name = command.session_id
    old_kw = load_kw(change, name, change.setpoints(range(1, command.number)))
    new_kw = load_kw(change, name, {name: (command.kw, command.modules)})
    risen = any(new > old for old, new in zip(old_kw, new_kw, strict=True))
    assert not (risen and any(new < old for old, new in zip(old_kw, new_kw, strict=True)))
    return risen


# Properties


@given(change=changes())
def test_both_allocations_of_a_change_are_within_limits(change: Change) -> None:
    """The properties below compare with these two, and mean nothing if those break a limit."""
    assert_within_limits(change.before, change.old)
    assert_within_limits(change.after, change.new)


@given(change=changes())
def test_decrease_comes_before_increases_and_each_names_earlier_commands(change: Change) -> None:
    """A command only rises or only falls; a session has one of each at most."""
    rising = [rises(change, command) for command in change.commands]
    assert rising == sorted(rising)
    assert [command.number for command in change.commands] == list(range(1, len(rising) + 1))
    kinds = zip((command.session_id for command in change.commands), rising, strict=True)
    assert len(set(kinds)) == len(rising)
    for command, rise in zip(change.commands, rising, strict=True):
        assert rise or command.needs == ()
        assert list(command.needs) == sorted(set(command.needs))
        assert all(1 <= number < command.number for number in command.needs)


@given(change=changes())
def test_all_commands_together_lead_exactly_to_the_new_allocation(change: Change) -> None:
    """To the last bit; the setpoint of a session that has left is 0."""
    last = change.setpoints([command.number for command in change.commands])
    new = setpoints_of(change.new)
    assert {name: last[name] for name in new} == new
    assert all(last[name] in ((0.0, None), (0.0, 0)) for name in set(last) - set(new))


@given(change=changes())
def test_any_number_of_commands_in_order_breaks_no_limit(change: Change) -> None:
    for count in range(len(change.commands) + 1):
        change.assert_safe(range(1, count + 1))


@given(change=changes())
def test_command_with_only_its_needs_carried_out_breaks_no_limit(change: Change) -> None:
    """One command was carried out, and those that it needs, and those that they need: all others are lost."""
    needs = {command.number: command.needs for command in change.commands}
    for number in needs:
        done, ahead = set(), [number]
        while ahead:
            done.add(ahead[-1])
            ahead.extend(needs[ahead.pop()])
        change.assert_safe(sorted(done))


def deliveries(commands: Sequence[SetPoint], walk: random.Random) -> Iterator[list[int]]:
    """Yield the commands carried out so far on a bad line: some are lost, repeated, or not acknowledged."""
    done: list[int] = []
    acknowledged: set[int] = set()
    for command in walk.choices(commands, k=3 * len(commands)):
        outcome = walk.choice(["lost", "carried out", "acknowledged", "acknowledged"])
        if outcome == "lost" or not acknowledged.issuperset(command.needs):
            continue
        done.append(command.number)
        if outcome == "acknowledged":
            acknowledged.add(command.number)
        yield done


@given(change=changes(), walk=st.randoms(use_true_random=False))
def test_lost_late_or_repeated_commands_break_no_limit(change: Change, walk: random.Random) -> None:
    """In any order, as long as each command waits until those that it needs are acknowledged."""
    if change.commands:
        for done in deliveries(change.commands, walk):
            change.assert_safe(done)


@given(snapshot=snapshots(minima=True))
def test_same_allocation_needs_no_command(snapshot: Snapshot) -> None:
    assert allocate(snapshot).setpoints_from(allocate(snapshot)) == ()


# By hand


def cars(*max_kw: float, grid_kw: float | None = None, charger_kw: float = 150.0) -> Allocation:
    demands = [Demand(name, "C", kw) for name, kw in zip("abc", max_kw, strict=False)]
    return allocate(Snapshot(grid_kw, {"C": charger_kw}, demands))


def test_increase_at_a_full_charger_waits_for_the_decrease() -> None:
    before, after = cars(100, 50), cars(50, 100)
    assert after.setpoints_from(before) == (
        SetPoint(1, "a", 50.0),
        SetPoint(2, "b", 100.0, needs=(1,)),
    )


def test_increase_within_free_power_waits_for_no_command() -> None:
    """The first falls by 50, and the charger of 200 has 50 free for the second without that."""
    before, after = cars(100, 50, charger_kw=200), cars(50, 150, charger_kw=200)
    assert before.offered_kw == {"a": 100, "b": 50}
    assert after.setpoints_from(cars(50, 50, charger_kw=200)) == (SetPoint(1, "b", 150.0),)
    # From 150 kW to 200: 50 of the 100 more are free at once, the other 50 are the first car's.
    assert after.setpoints_from(before) == (SetPoint(1, "a", 50.0), SetPoint(2, "b", 150.0, needs=(1,)))


def test_each_increase_waits_for_the_decrease_that_frees_its_power() -> None:
    """60 + 60 + 0 to 20 + 80 + 20 on 120 kW: 40 become free, 20 for each of the other two."""
    before, after = cars(60, 60, 0, charger_kw=120), cars(20, 80, 20, charger_kw=120)
    assert after.setpoints_from(before) == (
        SetPoint(1, "a", 20.0),
        SetPoint(2, "b", 80.0, needs=(1,)),
        SetPoint(3, "c", 20.0, needs=(1,)),
    )


def test_increase_waits_for_its_charger_and_for_the_site() -> None:
    """The charger has power for the increases of a and b, the site of 200 kW only when x has fallen."""

    def allocated(a: float, b: float, x: float) -> Allocation:
        demands = [Demand("a", "C", a), Demand("b", "C", b), Demand("x", "D", x)]
        return allocate(Snapshot(200, {"C": 150, "D": 100}, demands))

    commands = allocated(90, 60, 50).setpoints_from(allocated(50, 50, 100))
    assert [(each.session_id, each.kw) for each in commands] == [("x", 50), ("a", 90), ("b", 60)]
    assert [each.needs for each in commands] == [(), (1,), (1,)]


def test_car_that_arrives_waits_for_the_one_that_leaves() -> None:
    before = allocate(Snapshot(100, {"C": 100}, [Demand("a", "C", 100)]))
    after = allocate(Snapshot(100, {"C": 100}, [Demand("b", "C", 80)]))
    assert after.setpoints_from(before) == (SetPoint(1, "a", 0.0), SetPoint(2, "b", 80.0, needs=(1,)))


# The battery


def with_battery(max_kw: float) -> Allocation:
    """One car on 100 kW of grid, beside a battery that gives or takes 60 kW."""
    return allocate(Snapshot(100, {"C": None}, [Demand("a", "C", max_kw)], boost_kw=60, charge_kw=60))


def test_car_rises_after_the_battery_has_stopped_charging() -> None:
    """40 kW to the car and 60 to the battery become 100 and 0: the car waits for the battery."""
    before, after = with_battery(40), with_battery(100)
    assert (before.battery_kw, after.battery_kw) == (60, 0)
    assert after.setpoints_from(before) == (
        SetPoint(1, BATTERY, 0.0),
        SetPoint(2, "a", 100.0, needs=(1,)),
    )


def test_car_rises_after_the_battery_has_begun_to_discharge() -> None:
    before, after = with_battery(100), with_battery(150)
    assert after.setpoints_from(before) == (
        SetPoint(1, BATTERY, -50.0),
        SetPoint(2, "a", 150.0, needs=(1,)),
    )


def test_battery_charges_after_the_car_has_fallen() -> None:
    before, after = with_battery(150), with_battery(40)
    assert after.setpoints_from(before) == (
        SetPoint(1, "a", 40.0),
        SetPoint(2, BATTERY, 60.0, needs=(1,)),
    )


# Modules and losses


def test_module_is_released_before_another_car_gets_it() -> None:
    """Three of 75 kW go from 2 + 1 to 1 + 2, though the site of 150 kW feeds 75 + 75 before and after."""

    def allocated(a: int, b: int) -> Allocation:
        held = [Demand("a", "C", 150, modules=a, keeps_modules=True)]
        held.append(Demand("b", "C", 150, modules=b, keeps_modules=True))
        return allocate(Snapshot(150, {"C": 225}, held, module_kw={"C": 75}))

    assert allocated(1, 2).setpoints_from(allocated(2, 1)) == (
        SetPoint(1, "a", 75.0, modules=1),
        SetPoint(2, "b", 75.0, modules=2, needs=(1,)),
    )


def test_session_whose_power_rises_while_a_module_goes_gets_two_commands() -> None:
    """60 kW on two kept modules become 75 on one: the module goes at once, and the other car's power after
    it; 15 kW more of the site of 160 kW are free."""
    demands = [Demand("a", "C", 60, modules=2, keeps_modules=True), Demand("b", "C", 75, modules=1)]
    before = allocate(Snapshot(160, {"C": 225}, demands, module_kw={"C": 75}))
    demands = [Demand("a", "C", 75), Demand("b", "C", 85)]
    after = allocate(Snapshot(160, {"C": 225}, demands, module_kw={"C": 75}))
    assert (before.modules, after.modules) == ({"a": 2, "b": 1}, {"a": 1, "b": 2})
    assert after.setpoints_from(before) == (
        SetPoint(1, "a", 60.0, modules=1),
        SetPoint(2, "a", 75.0, modules=1),
        SetPoint(3, "b", 85.0, modules=2, needs=(1,)),
    )


def test_free_power_of_the_site_counts_losses() -> None:
    """A car at a charger of 50 % gives 20 kW, and 40 of the site: two cars elsewhere rise by 20 each."""

    def allocated(a: float, b: float, c: float) -> Allocation:
        demands = [Demand("a", "L", a), Demand("b", "C", b), Demand("c", "D", c)]
        limits = {"L": 100.0, "C": 100.0, "D": 100.0}
        return allocate(Snapshot(160, limits, demands, efficiency={"L": 0.5}))

    commands = allocated(20, 60, 60).setpoints_from(allocated(40, 40, 40))
    assert [(each.session_id, each.kw, each.needs) for each in commands] == [
        ("a", pytest.approx(20), ()),
        ("b", pytest.approx(60), (1,)),
        ("c", pytest.approx(60), (1,)),
    ]


def test_second_car_at_a_charger_waits_for_the_first_to_fall() -> None:
    """The second car at a charger of 200 kW: the first falls from 150 to 100 before the other has 100."""
    station = make_station(chargers=1)
    station.plug_in("CP1", 1, Vehicle(150))
    before = station.allocation
    station.plug_in("CP1", 2, Vehicle(150))
    # 50 kW of the charger are free, and the other 50 are the first car's.
    assert station.allocation.setpoints_from(before) == (
        SetPoint(1, "S0001", 100.0),
        SetPoint(2, "S0002", 100.0, needs=(1,)),
    )
