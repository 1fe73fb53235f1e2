# %% [markdown]
# # A battery helps
#
# *It is evening at a charging station. A sign says: "with battery, full power for everybody". Four cars that
# can each take 150 kW are plugged in. Yours is one of them. You get 100 kW, and the battery stands beside
# you, half full, and gives nothing. Why does the battery not help?*
#
# This lesson answers that question, and three that follow from it: how the battery is spent over an evening,
# what its losses cost, and why its recharge must not make a new peak.

# %% [markdown]
# ## Four cars and one battery
#
# The station is the one of the exercise from which this project began: 400 kW from the grid, six connectors,
# and a battery of 200 kWh and 100 kW. We read it from its file.

# %%
from electra_core import Station, Vehicle, load_config, simulate

config = load_config("../../configs/electra_paris_15.json")
print(f"{config.grid_capacity_kw:g} kW, {len(config.connectors)} connectors")

# %% [markdown]
# The function `paris` gives the same station with some property of the battery changed, so that each
# experiment below is one line. Without a change it is the station of the file, which the cell checks.

# %%
site = config.model_dump(by_alias=True, exclude={"battery"})
battery = {"initialCapacity": 200, "power": 100, "initialSoc": 0.5}


def paris(**changes):
    return load_config({**site, "battery": {**battery, **changes}})


assert paris() == config

# %% [markdown]
# The exercise had a simple rule for its battery, and we call it *all or nothing* (`whole_session` in the
# file). A new session is carried wholly by the battery, or gets nothing from it. The battery takes a session
# only when the grid is short, its state of charge is high enough, and its power and energy are enough for the
# whole session. Our rule is called *hybrid*: the grid and the battery feed a session together.
#
# Both stations below get the same four cars of 150 kW. Both use the exercise's sharing, `uniform`: equal
# parts.

# %%
CONNECTORS = [("CP001", 1), ("CP002", 1), ("CP003", 1), ("CP003", 2)]


def four_cars(rule, power_kw=100):
    station = Station(paris(rule=rule, power=power_kw), "uniform")
    for connector in CONNECTORS:
        station.plug_in(*connector, Vehicle(150))
    return station.allocation


# %% [markdown]
# Look at the two answers. Under all or nothing, the four cars share the 400 kW of the grid: 100 kW each, 0
# from the battery. The battery cannot carry a session of 150 kW with 100 kW, so it carries none. Under hybrid
# it gives its 100 kW at once, 25 kW to each car.

# %%
for rule in ("whole_session", "hybrid"):
    found = four_cars(rule)
    print(
        rule,
        "offered",
        sorted(found.offered_kw.values()),
        "from the battery",
        sorted(found.boost_kw.values()),
    )

# %% [markdown]
# Now drag the battery's power. Under all or nothing, nothing happens up to one limit; there, one car jumps.
# Under hybrid every kilowatt that you add arrives at the cars, until they have all that they can take.

# %%
from lesson_charts import bars, curves, steps
from lesson_widgets import live, slider


def draw(power_kw):
    both = [four_cars(rule, power_kw) for rule in ("whole_session", "hybrid")]
    boost = [one.boost_kw[name] for one in both for name in sorted(one.boost_kw)]
    grid = [one.offered_kw[name] - one.boost_kw[name] for one in both for name in sorted(one.boost_kw)]
    names = [f"car {car}<br>{rule}" for rule in ("all or<br>nothing", "hybrid") for car in (1, 2, 3, 4)]
    whole, hybrid = (sum(one.offered_kw.values()) for one in both)
    title = f"A battery of {power_kw:g} kW: {whole:.0f} kW all or nothing, {hybrid:.0f} kW hybrid"
    return bars(names, {"grid": grid, "battery": boost}, title, marks={"could take": [150] * 8}, top=165)


# %% [markdown]
# Left are the four cars under all or nothing, right the same cars under hybrid.

# %% tags=["nbval-ignore-output"]
live(draw, power_kw=slider("Battery power, kW", 0, 320, 100, 10))

# %% [markdown]
# The same in one picture, for all powers from 0 to 320 kW. One rule is a staircase, the other a ramp. A step
# of the staircase is as wide as a car is large. Between two steps, a larger battery is money spent for
# nothing. The ramp ends where all four cars have what they can take.


# %% tags=["nbval-ignore-output"]
def total_kw(rule, power_kw):
    return sum(four_cars(rule, power_kw).offered_kw.values())


powers = range(0, 321, 5)
stairs, ramp = ([total_kw(rule, kw) for kw in powers] for rule in ("whole_session", "hybrid"))
both, title = {"all or nothing": stairs, "hybrid": ramp}, "All or nothing is a staircase, hybrid a ramp"
live(lambda: steps(powers, both, title, across="battery power, kW", y="kW to the cars"))

# %% [markdown]
# The cell checks it. The all-or-nothing rule needs 150 kW for the first step and 300 kW for the second. The
# hybrid rule is never below it.

# %%
assert all(high >= low - 1e-9 for high, low in zip(ramp, stairs, strict=True))
found = [powers[at] for at in range(1, len(powers)) if stairs[at] > stairs[at - 1] + 1]
print(f"steps at {found} kW; the ramp ends at {powers[ramp.index(max(ramp))]} kW")

# %% [markdown]
# ## The same evening under both rules
#
# Four cars at one moment are an example. What about a whole evening with twenty different cars? The package
# has one (`paris_evening`): real car models, made-up arrivals. Its clock begins at midnight. We let ours
# begin at 16:30, a little before the first car, because until then nothing happens.

# %%
from electra_core.sessions import day_sessions

BEGIN_H = 16 + 30 / 60
evening = day_sessions("paris_evening")
evening[["arrival_s", "departure_s"]] -= BEGIN_H * 3600
print(f"{len(evening)} cars, the first after {evening.arrival_s.min() / 60:g} minutes")

# %% [markdown]
# We play the evening three times: without a battery, with the all-or-nothing rule, and with the hybrid rule.
# The sharing is `uniform` each time, so that only the rule of the battery differs.

# %%
runs = {
    "no battery": simulate(site, evening, "uniform"),
    "all or nothing": simulate(paris(rule="whole_session"), evening, "uniform"),
    "hybrid": simulate(paris(), evening, "uniform"),
}

# %% [markdown]
# The columns: energy delivered to the cars, energy that they wanted and did not get, energy given by the
# battery, energy that went from the grid to cars directly, and cars that the battery helped.

# %%
import pandas as pd

columns = ["delivered_kwh", "lacked_kwh", "battery_out_kwh"]
frame = pd.DataFrame({name: run.metrics() for name, run in runs.items()}).T[columns].round(1)
frame["grid to cars"] = frame.delivered_kwh - frame.battery_out_kwh
frame["cars helped"] = [int((run.sessions.boost_kwh > 0.01).sum()) for run in runs.values()]
print(frame.to_string())

# %% [markdown]
# The cars lack 67.3 kWh without a battery, 49.8 kWh under all or nothing, and 15.0 kWh under hybrid. Under
# all or nothing the battery does help, but only 1 car, and it is a small one. No car of 150 kW or more got
# anything from it. Under hybrid 10 cars were helped.
#
# One more thing is strange: the hybrid battery gave less energy (24.4 kWh against 41.5), and still the cars
# got more. The reason is the sharing. With equal parts, what a small car does not use is lost. A little more
# power makes all parts larger, and so more of the grid's own power finds a car: 931.4 kWh instead of 903.5.
# The third exercise looks at a better sharing. First, which car was helped under all or nothing?

# %%
helped = runs["all or nothing"].sessions.query("boost_kwh > 0.01")
cars = evening.set_index("session_id").vehicle
for name, row in helped.iterrows():
    print(f"{name}, {cars[name].name}, {cars[name].max_power_kw:g} kW: {row.boost_kwh:.1f} kWh")

# %% [markdown]
# There is a second flaw of the exercise's rule. Its battery gains ten per cent at each arrival or departure,
# when half of the grid is free, and nobody imports that energy. Our ledger writes it in a column of its own,
# because energy cannot come from nowhere. It was 80 kWh on this evening. The hybrid battery had to import all
# that it stored.

# %%
for name in ("all or nothing", "hybrid"):
    found = runs[name].totals
    print(
        f"{name}: {found['battery_in_kwh']:.1f} kWh imported, {found['exercise_gain_kwh']:.1f} from nowhere"
    )

# %% [markdown]
# ## State of charge is like money in the bank
#
# Now the battery has to work harder. Imagine the same cars at a smaller connection of 300 kW. The sharing is
# now `max_min`, which loses nothing. Without a battery a large part of the energy is missing.

# %%
hours = [BEGIN_H + minute / 60 for minute in range(241)]
alone = simulate(site, evening, site_limit_kw=300).metrics()["lacked_kwh"]
print(f"without a battery {alone:.1f} kWh are missing")

# %% [markdown]
# Drag the battery's power and its capacity. Power says how much it can give at one moment: the height of the
# area above the limit. Capacity says how long. A battery needs both.


# %% tags=["nbval-ignore-output"]
def draw_evening(power_kw, capacity_kwh):
    run = simulate(paris(power=power_kw, initialCapacity=capacity_kwh), evening, site_limit_kw=300)
    given, stored = (-run.timeline.battery_kw).clip(lower=0), run.timeline.battery_kw.clip(lower=0)
    parts = {"grid": run.timeline.drawn_kw - given, "charging the battery": stored, "battery": given}
    lacked = f"{run.metrics()['lacked_kwh']:.1f} kWh are missing (without a battery {alone:.1f})"
    title = f"{power_kw:g} kW and {capacity_kwh:g} kWh: {lacked}"
    return curves(hours, parts, title, across="hour of the day", stacked=True, lines={"limit": 300}, top=520)


power, capacity = slider("Power, kW", 0, 200, 100, 10), slider("Capacity, kWh", 10, 300, 200, 10)
live(draw_evening, power_kw=power, capacity_kwh=capacity)

# %% [markdown]
# The numbers for some sizes, to compare with what you saw. At 50 kWh, twice the power helps nobody. At 50
# kW, twice the capacity brings nothing from 100 kWh on. Both together bring most of it.

# %%
for power_kw, capacity_kwh in ((50, 50), (100, 50), (50, 100), (50, 200), (100, 200)):
    run = simulate(paris(power=power_kw, initialCapacity=capacity_kwh), evening, site_limit_kw=300)
    print(f"{power_kw:>3} kW, {capacity_kwh:>3} kWh: {run.metrics()['lacked_kwh']:5.1f} kWh are missing")

# %% [markdown]
# The state of charge (SoC) is like money in a bank account. What is given to a car now cannot be given later.
# Below, a battery of 80 kWh serves the same evening, and there is an event: from 18:15 to 18:45 the grid
# operator allows only 120 kW. The station does not know it in advance. Should it spend its energy before the
# event, on cars that are already quick?
#
# First, the limit of each minute.

# %%
FROM_H, TO_H, LOW_KW = 18 + 15 / 60, 18 + 45 / 60, 120.0
event = [FROM_H <= hour < TO_H for hour in hours]
allowed_kw = [LOW_KW if now else 300.0 for now in event[:-1]]
print(f"{sum(event)} minutes at {min(allowed_kw):g} kW")

# %% [markdown]
# A reserve is a rule for this. Below `reserveSoc` the battery lifts only the cars that would get less than
# `comfortPower`, here 40 kW, and only up to that power.


# %%
def with_reserve(soc):
    own = paris(initialCapacity=80, reserveSoc=soc, comfortPower=40 if soc else 0)
    run = simulate(own, evening, site_limit_kw=allowed_kw)
    return run, run.timeline.drawn_kw[event].sum() / 60, run.metrics()["delivered_kwh"]


# %% [markdown]
# Drag the reserve and watch where the curve is at the beginning of the event, and where it ends. Without a
# reserve, little is left when the bad half hour begins, and it is soon gone.

# %% tags=["nbval-ignore-output"]
spent, spent_kwh, _ = with_reserve(0)


def draw_reserve(soc):
    run, event_kwh, all_kwh = with_reserve(soc)
    named = {"without a reserve": spent, "with the reserve": run}
    series = {name: 100 * one.timeline.battery_soc for name, one in named.items()}
    title = f"Reserve {soc:.0%}: {event_kwh:.0f} kWh in the event (without: {spent_kwh:.0f}), {all_kwh:.0f} in all"
    return curves(hours, series, title, across="hour of the day", y="SoC, %", top=105)


live(draw_reserve, soc=slider("Reserve, SoC", 0.0, 0.9, 0.5, 0.05))

# %% [markdown]
# A reserve is not free. The cell shows both sides: what the cars get during the event, and what they get over
# the whole evening. Up to 50 % the event gains and the evening loses. At 70 % the event gains nothing more,
# because there the powers are the limit (the battery's and the comfort power) and not the energy; the evening
# loses all the same. A reserve decides who is helped and when. It does not make energy.

# %%
for soc in (0, 0.3, 0.5, 0.7):
    run, event_kwh, all_kwh = with_reserve(soc)
    print(f"reserve {soc:.0%}: {event_kwh:.1f} kWh in the event, {all_kwh:.1f} kWh in all")

# %% [markdown]
# ## What goes in does not all come out
#
# A battery gives back less than it took. The file of our station says nothing about losses, so they are zero
# there. Let us give it 95 % in each direction. For one hour nobody is there, and the empty battery charges
# with 100 kW.

# %%
station = Station(paris(initialSoc=0, chargeEfficiency=0.95, dischargeEfficiency=0.95))
station.advance(3600)
print(f"stored {station.state.battery_kwh:.2f} of {station.ledger.battery_in_kwh:.2f} kWh")

# %% [markdown]
# Then the grid is gone (a site limit of 0), and one car takes all that the battery can give. The ledger of
# the station has a column for what came back and one for what was lost.

# %%
station.set_site_limit(0)
station.plug_in("CP001", 1, Vehicle(150))
station.advance(2 * 3600)
book = station.ledger
print(f"came back {book.battery_out_kwh:.2f} kWh, lost {book.battery_loss_kwh:.2f} kWh")
print(
    f"round trip {book.battery_out_kwh / book.battery_in_kwh:.4f}, left over {abs(book.residual_kwh):.6f} kWh"
)

# %% [markdown]
# Of 100 kWh, 95 were stored and 90.25 came back. The round-trip efficiency is the product of both directions,
# 0.9025. The difference is heat: 9.75 kWh. The figure "left over" is what does not add up in the ledger. It
# must be zero, for energy cannot disappear without a column.
#
# So the battery is no source of energy. It moves energy from one hour to another and takes a fee. Each kWh
# that it gives to a car costs more import than a kWh that goes directly, and the next cell says how much.

# %%
fee = 1 / 0.95**2 - 1
print(f"1 kWh from the battery needs {1 + fee:.3f} kWh of import: {fee:.1%} more")

# %% [markdown]
# ## The recharge must not make a new peak
#
# The battery has to be filled again, and the station chooses when. Many operators pay for the highest quarter
# hour of their import. Take a quiet evening with only 5 of the cars. They alone make this peak.

# %%
quiet = evening.iloc[[0, 3, 7, 12, 16]]
cars_alone = simulate(site, quiet)
print(f"{len(quiet)} cars alone: peak {cars_alone.metrics()['peak_kw']:.0f} kW")

# %% [markdown]
# Now the same cars and an empty battery. The grid has more than enough for everybody, so by default the
# battery charges at once with full power, also while cars charge. A recharge share of 1 is that default.

# %%
for share in (1, 0.1, 0.05):
    run = simulate(paris(initialSoc=0, rechargeShare=share), quiet)
    peak_kw, full = run.metrics()["peak_kw"], run.timeline.battery_soc.iloc[-1]
    print(f"recharge share {share:g}, {share * 400:g} kW: peak {peak_kw:.0f} kW, SoC {full:.2f} at the end")

# %% [markdown]
# The cars alone make a peak of 265 kW. With the battery it is 365 kW: the helper has made the problem larger.
# There are two ways to prevent that.
#
# - `rechargeShare` limits the battery's charging power to a share of the site limit. With 0.05 that is 20 kW,
#   and the peak is 285 kW. The price is time: at the end the battery is not full.
# - A site limit (`set_site_limit`, or `site_limit_kw` of a simulation) holds for cars and battery together.
#   The battery then charges only with what the cars leave, and it helps when the cars want more.
#
# Drag both.


# %% tags=["nbval-ignore-output"]
def draw_peak(limit_kw, share):
    run = simulate(
        paris(initialSoc=0, rechargeShare=share), quiet, site_limit_kw=limit_kw, horizon_s=4 * 3600
    )
    line, found = cars_alone.timeline.import_kw.reindex(run.timeline.index, fill_value=0), run.metrics()
    title = f"Peak {found['peak_kw']:.0f} kW, {found['lacked_kwh']:.1f} kWh are missing (cars alone: {line.max():.0f} kW)"
    series = {"cars alone": line, "cars and battery": run.timeline.import_kw}
    return curves(hours, series, title, across="hour of the day", lines={"limit": limit_kw}, top=420)


limit, share = slider("Site limit, kW", 50, 400, 400, 10), slider("Recharge share", 0.0, 1.0, 1.0, 0.05)
live(draw_peak, limit_kw=limit, share=share)

# %% [markdown]
# With a low limit the same battery turns from a problem into a help. At a limit of 100 kW the peak is 100 kW
# instead of 265 kW. The cars would lack 8.3 kWh there without a battery, and with it they lack only 0.1 kWh.
# This is called peak shaving.

# %%
for limit_kw in (400, 100):
    found = simulate(paris(initialSoc=0), quiet, site_limit_kw=limit_kw).metrics()
    without = simulate(site, quiet, site_limit_kw=limit_kw).metrics()["lacked_kwh"]
    print(
        f"limit {limit_kw} kW: {found['peak_kw']:.0f} kW, lack {found['lacked_kwh']:.1f} (alone {without:.1f})"
    )

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: A battery that is never used
#
# A manager wants to keep the all-or-nothing rule and buy a larger battery instead. How much power must the
# battery have until the four cars of 150 kW together get as much as with hybrid and a battery of 100 kW? Use
# `total_kw`.

# %% [markdown]
# Solution: we try the powers in steps of 10 kW and stop at the first that reaches the target. The battery
# must be half as large again: 150 kW instead of 100 kW. The first step of the staircase is the size of one
# car.

# %% tags=["solution"] jupyter={"source_hidden": true}
target_kw = total_kw("hybrid", 100)
enough_kw = next(kw for kw in range(100, 400, 10) if total_kw("whole_session", kw) >= target_kw)
print(f"{enough_kw} kW are needed to give the cars {target_kw:g} kW in all")

# %% [markdown]
# ### Exercise 2: When is it worth storing?
#
# Energy at night costs 0.12 a kWh. From which price in the evening on is it worth to buy at night, store, and
# give to cars in the evening, when the battery has 95 % in each direction? Only the energy counts, not the
# battery's price.

# %% [markdown]
# Solution: one kWh for a car in the evening costs one kWh at the evening's price, or one kWh divided by the
# round trip at the night's price. Both are equal at the price that the cell prints, 0.133. Below it the
# losses eat the gain.

# %% tags=["solution"] jupyter={"source_hidden": true}
night, round_trip = 0.12, 0.95 * 0.95
print(f"worth it when the evening costs more than {night / round_trip:.3f} a kWh")

# %% [markdown]
# ### Exercise 3: Is it the rule or the sharing?
#
# The table of the evening used `uniform`, which loses what a small car does not use. Play the same three
# stations with `max_min`. Is the hybrid rule still the better one? Which part of its gain came from the flaw
# of the sharing?

# %% [markdown]
# Solution: it is still better, but the distance is smaller: 3.6 kWh lack against 10.4 kWh, where it was 15.0
# against 49.8. Under `max_min` the hybrid battery also gives more energy than the other (56.0 kWh against
# 41.5). A good sharing and a good battery rule each do a part, and a fair comparison changes one of them at a
# time.

# %% tags=["solution"] jupyter={"source_hidden": true}
for name, own in {
    "no battery": site,
    "all or nothing": paris(rule="whole_session"),
    "hybrid": paris(),
}.items():
    found = simulate(own, evening, "max_min").metrics()
    print(
        f"{name}: {found['lacked_kwh']:.1f} kWh are missing, {found['battery_out_kwh']:.1f} kWh from the battery"
    )

# %% [markdown]
# ## What to remember
#
# - A battery that may only carry whole sessions is idle when the cars are larger than it. Grid and battery
#   together use every kilowatt.
# - Power says how much a battery can help at one moment, capacity says how long. It needs both.
# - Stored energy can be spent once: a reserve helps later and costs now. It makes no energy.
# - The round trip is the product of both efficiencies. What is lost is import that no car gets.
# - A recharge is a load like any other. Give it a share, or a site limit that holds for cars and battery
#   together.

# %% [markdown]
# ## What is not modelled
#
# - The battery's efficiency is one number at every power and temperature, and its capacity does not age. A
#   real battery also takes less power when it is nearly full.
# - The reserve has no forecast. When the event is known in advance, one can plan for it (lesson 5).
# - Of the exercise, two flaws are not copied: no car is offered more than it can take, and no charger gives
#   more than it has. A battery that runs down hands its car back to the grid, because our clock moves and the
#   exercise's did not.
# - The evening's arrivals are made up. Another evening gives other numbers, but the staircase and the ramp
#   remain.

# %% [markdown]
# ## Sources
#
# - The exercise: "Station Energy Management System - Electra", README, sections "Assumptions &
#   Simplifications" and "Load-balancing strategy". Its scenario with four cars of 150 kW is
#   `tests/cases/exercise_scenario3_T2_battery100.json`.
# - Charging curves: chargeprice, open-ev-data (MIT licence), https://github.com/chargeprice/open-ev-data; and
#   open-ev-data-dataset (CDLA-Permissive-2.0), https://github.com/open-ev-data/open-ev-data-dataset
# - W. Cole, A. W. Frazier, C. Augustine (2021): Cost Projections for Utility-Scale Battery Storage: 2021
#   Update. National Renewable Energy Laboratory, NREL/TP-6A20-79236.
#   https://www.nrel.gov/docs/fy21osti/79236.pdf (round-trip efficiency of batteries of utilities)
# - Stromnetzentgeltverordnung (StromNEV), § 17 (2): in Germany, grid fees with a price for the highest load
#   of the year. https://www.gesetze-im-internet.de/stromnev/__17.html
