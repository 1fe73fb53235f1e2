# %% [markdown]
# # Cars are not constant
#
# *The sign at the charger says 350 kW. The brochure of your car says 232 kW. The display says 100 kW. You are
# alone at the station, and nothing is broken. Which of the three numbers is the power of your car?*
#
# All three are right, each about something else. This lesson shows how the power of a car changes while it
# charges, what a stronger charger is worth in minutes, where each kilowatt-hour goes, and why a station has
# to look at what cars really draw.

# %% [markdown]
# ## A curve, not a number
#
# A battery can take a high power while it is rather empty. Near the end the cells must be charged gently, so
# the car asks for less and less. How the power depends on the state of charge (SoC) is the **charging curve**
# of the car. `electra_core` has a catalogue of real cars. For some of them a curve was published; the others
# have the typical shape, scaled to their power, and say so.

# %%
from electra_core import catalogue

garage = catalogue()
published = {name: car for name, car in garage.items() if car.curve_source == "published"}
print(f"{len(garage)} cars, {len(published)} of them with a published curve")

# %% [markdown]
# The car of the scene is one of them. Its curve answers the first question: 232 kW is the peak, at a SoC of
# 22 %, and 100 kW is right for 80 %.

# %%
name = "Hyundai Ioniq 5 73 kWh"
ours = garage[name]
for soc in (0.10, 0.22, 0.50, 0.80, 1.00):
    print(f"at {soc:.0%}: {ours.curve(soc):.0f} kW")

# %% [markdown]
# The next chart draws the curve of any car, beside a second one, and what a charger of your choice lets
# through for the first. Where the charger is above the curve it changes nothing.

# %%
from lesson_charts import bars, curves, steps
from lesson_widgets import choice, live, slider, switch

percent = range(101)


def draw_curve(one, other, charger_kw):
    first, second = ([garage[car].curve(soc / 100) for soc in percent] for car in (one, other))
    drawn = [min(kw, charger_kw) for kw in first]
    title = f"{one}: {max(drawn):.0f} kW at best, {drawn[80]:.0f} kW at 80 %"
    found = {"could take": first, "drawn": drawn, "the other car": second}
    return curves(percent, found, title, across="SoC, %", lines={"limit": charger_kw}, top=360)


# %% [markdown]
# Choose two cars and drag the power of the charger. Look for a car with a high, short peak and one with a
# low, long plain.

# %% tags=["nbval-ignore-output"]
one, other = choice("Car", garage, name), choice("Other car", garage, "Audi e-tron 55")
live(draw_curve, one=one, other=other, charger_kw=slider("Charger, kW", 20, 350, 150, 10))

# %% [markdown]
# ## Power is a moment, not a speed
#
# A driver does not want kilowatts, but to leave. So the useful number is the **mean power** of a whole stop,
# here from 10 to 80 %: the energy divided by the time. `climb` follows a curve exactly and gives both. We let
# a charger of 350 kW serve each car with a published curve.


# %%
def stop(car, charger_kw, start=0.10, end=0.80):
    kwh, seconds = car.climb(start, end, charger_kw, float("inf"))
    return kwh, seconds / 60


# %% [markdown]
# For the car of the scene:

# %%
kwh, minutes = stop(ours, 350)
print(
    f"{kwh:.1f} kWh in {minutes:.1f} minutes: {kwh / minutes * 60:.0f} kW on average, peak {ours.max_power_kw:.0f} kW"
)

# %% [markdown]
# The mean is 68 % of the peak for this car. Is it an exception? The table has the share for all published
# curves: the lowest, the middle and the highest.

# %%
import pandas as pd

means = {car: 60 * stop(each, 350)[0] / stop(each, 350)[1] for car, each in published.items()}
peaks = {car: each.max_power_kw for car, each in published.items()}
shares = (pd.Series(means) / pd.Series(peaks)).sort_values()

# %% [markdown]
# A share of 100 % would be a car that holds its peak all the time.

# %%
print(shares.iloc[[0, len(shares) // 2, -1]].map("{:.0%}".format).to_string())
assert shares.max() < 1.00
print(f"mean share: {shares.mean():.0%}; {ours.name}: {shares[ours.name]:.0%}")

# %% [markdown]
# No car holds its peak, and a high peak does not promise a high mean. The chart has the cars in the order of
# their peaks. Where the order of the bars differs from the order of the marks, the brochure ranks the cars
# wrongly.

# %%
strong = sorted((car for car in published if peaks[car] >= 120), key=peaks.get)


def draw_means(start, end):
    found = [stop(published[car], 350, start / 100, max(end, start + 5) / 100) for car in strong]
    mean = [60 * kwh / minutes for kwh, minutes in found]
    title = f"From {start:.0f} to {max(end, start + 5):.0f} %: the best car has {max(mean):.0f} kW on average"
    chart = bars(strong, {"mean": mean}, title, marks={"peak": [peaks[car] for car in strong]}, top=260)
    return chart.update_xaxes(tickangle=-45).update_layout(height=500, margin_b=180)


# %% [markdown]
# Drag the end to 100 %. All means fall, because the last part is slow for everybody. The marks stay: they are
# the peaks.

# %% tags=["nbval-ignore-output"]
live(draw_means, start=slider("From, %", 0, 90, 10, 5), end=slider("To, %", 5, 100, 80, 5))

# %% [markdown]
# ### What is a stronger charger worth?
#
# A charger of 350 kW costs more than one of 150 kW. The same car, the same stop, both chargers:

# %%
for charger_kw in (50, 150, 350):
    print(f"{charger_kw} kW: {stop(ours, charger_kw)[1]:.1f} minutes")
print(f"350 instead of 150 kW saves {stop(ours, 150)[1] - stop(ours, 350)[1]:.1f} minutes")

# %% [markdown]
# From 150 to 350 kW the power on the sign more than doubles, and the stop is 2.5 minutes shorter. The step
# from 50 to 150 kW saves much more. Now for the whole catalogue:

# %%
saved = pd.Series({car: stop(each, 150)[1] - stop(each, 350)[1] for car, each in garage.items()})
print(
    f"{(saved < 0.1).sum()} of {len(saved)} cars save less than 0.1 minutes, the best one saves {saved.max():.1f} minutes"
)
print(f"largest peak in the catalogue: {max(car.max_power_kw for car in garage.values()):.0f} kW")

# %% [markdown]
# No car of this catalogue can take 350 kW. That does not make
# the strong charger useless. Its power can serve two cars at once, as lesson 01 showed. It does mean that 350
# kW is not the power of one of these cars.
#
# The next function draws the SoC of a car over the minutes of its stop, at two chargers.


# %%
def soc_after(car, charger_kw, minutes):
    return 100 * (0.10 + car.climb(0.10, 1.0, charger_kw, 60 * minutes)[0] / car.battery_kwh)


def draw_stop(car, weak_kw):
    at, each = range(61), garage[car]
    powers = {"350 kW": 350, "weaker charger": weak_kw}
    found = {which: [soc_after(each, kw, t) for t in at] for which, kw in powers.items()}
    less = stop(each, weak_kw)[1] - stop(each, 350)[1]
    title = f"{car}: 350 kW instead of {weak_kw:.0f} saves {less:.1f} minutes to 80 %"
    return curves(at, found, title, across="minutes", y="SoC, %", lines={"target": 80}, top=100)


# %% [markdown]
# Drag the weaker charger down from 350 kW and find the power at which you begin to see a difference.

# %% tags=["nbval-ignore-output"]
live(draw_stop, car=choice("Car", garage, name), weak_kw=slider("Weaker charger, kW", 20, 350, 150, 10))

# %% [markdown]
# ## The energy must add up
#
# Power is in kilowatts, energy in kilowatt-hours. Energy is the integral of power over time: the area below
# the curve of power over time. And what went into the battery is its capacity times the change of its SoC.
# The two ways must agree. We check by stepping through the stop one second at a time.

# %%
soc, area_kwh, seconds = 0.10, 0.0, 0
while soc < 0.80:
    area_kwh += min(150, ours.curve(soc)) / 3600
    soc, seconds = 0.10 + area_kwh / ours.battery_kwh, seconds + 1
print(
    f"{seconds} s, area {area_kwh:.2f} kWh, battery {ours.battery_kwh * 0.70:.2f} kWh, climb {stop(ours, 150)[0]:.2f} kWh"
)

# %% [markdown]
# The sum of small steps ends within one step of the exact answer. A station keeps the same books, for
# everything. This one has losses in the charger, a building beside it, and a battery that stores what is
# left. A car charges for an hour.

# %%
from electra_core import Station, load_config

charger = {"id": "CP1", "maxPower": 150, "connectors": 2, "efficiency": 0.94, "standbyPower": 0.5}
battery = {"initialCapacity": 100, "power": 50, "chargeEfficiency": 0.95, "dischargeEfficiency": 0.95}
site = {
    "stationId": "LESSON",
    "gridCapacity": 180,
    "staticLoad": 10,
    "chargers": [charger],
    "battery": battery,
}

# %% [markdown]
# Its file holds the same keys as any other station's.

# %%
station = Station(load_config(site))
station.plug_in("CP1", 1, ours, arrival_soc=0.10, target_soc=0.80)
station.advance(3600)

# %% [markdown]
# Every kilowatt-hour that was imported is delivered to the car, used by the building, lost as heat, or
# stored. What does not add up is rounding and nothing else.

# %%
books = station.ledger
parts = {"delivered": books.delivered_kwh, "building": books.static_kwh}
parts |= {"lost": books.lost_kwh, "stored": books.stored_kwh}
print(f"imported {books.imported_kwh:.2f} =", " + ".join(f"{what} {kwh:.2f}" for what, kwh in parts.items()))
print(f"does not add up: {abs(books.imported_kwh - sum(parts.values())):.6f} kWh")
assert abs(books.residual_kwh) < 1e-9

# %% [markdown]
# The delivered energy is the one from above, 50.82 kWh. The imported energy is about twice as much here, so
# whoever takes one for the other is far off.
#
# ## Offered and drawn
#
# A station does not push power into a car. It offers a ceiling, and the car draws up to it. In our code a car
# may be known with its curve and its SoC, as above. A station in the field may know neither. Then it knows a
# maximum, and what its meter says.
#
# Two cars share a charger of 150 kW. The first one arrived late in its curve, at 60 %, and wants to be full.
# The second one is ours, at 10 %. The station knows only the maximum of each and offers both the same.

# %%
from electra_core import Vehicle

pair = [garage["Volkswagen ID.3 58 kWh"], ours]
shared = {
    "stationId": "LESSON",
    "gridCapacity": 400,
    "chargers": [{"id": "CP1", "maxPower": 150, "connectors": 2}],
}

# %% [markdown]
# The cars are plugged in with nothing but their maximum, so their SoC stays unknown to the station.


# %%
def two_cars():
    station = Station(load_config(shared))
    for connector, car in enumerate(pair, 1):
        station.plug_in("CP1", connector, Vehicle(car.max_power_kw))
    return station


# %% [markdown]
# The offers are equal, and the first car cannot use all of its own.

# %%
print("offered:", two_cars().allocation.offered_kw)
print(f"first car at 60 %: {pair[0].curve(0.60):.1f} kW, at 90 %: {pair[0].curve(0.90):.1f} kW")

# %% [markdown]
# The first car is offered more than it can take, and the difference is used by nobody. `report_draw` tells
# the station what the meter of a connector says. A car that draws clearly less than its offer for a minute
# keeps what it draws and a small margin, and the rest goes to the neighbour. When it draws up to its ceiling
# again, it gets power back step by step. The margin and the minute are in the configuration.

# %%
config = load_config(shared)
print(f"margin {config.reclaim_margin_kw:g} kW, after {config.reclaim_after_s:g} s")

# %% [markdown]
# To compare, the true cars are moved along their curves outside of the station, in steps of 30 s. With
# `reports` their draw is told to the station, without it is not.


# %%
def charge(reports, first_soc, step_s=30):
    station, socs, ends, history = two_cars(), [first_soc, 0.10], (1.0, 0.80), []
    while socs[1] < 0.80 - 1e-9:
        offers = list(station.allocation.offered_kw.values())
        found = [car.climb(*each, step_s)[0] for car, *each in zip(pair, socs, ends, offers, strict=True)]
        socs = [soc + kwh / car.battery_kwh for soc, kwh, car in zip(socs, found, pair, strict=True)]
        drawn = [kwh * 3600 / step_s for kwh in found]
        for at in range(2 if reports else 0):
            station.report_draw("CP1", at + 1, drawn[at])
        station.advance(step_s)
        history.append([*offers, *drawn])
    return history


# %% [markdown]
# The same two cars, once without and once with reports. How long does the second one need to 80 %?

# %%
without, with_reports = charge(False, 0.60), charge(True, 0.60)
slow, fast = len(without) / 2, len(with_reports) / 2
print(f"second car: {slow:.1f} minutes without reports, {fast:.1f} with: {slow - fast:.1f} saved")

# %% [markdown]
# Nothing was built for this. But does the first car pay for it? Compare what it draws in both runs, step by
# step.

# %%
less = [before[2] - after[2] for before, after in zip(without, with_reports, strict=False)]
print(f"the first car draws at most {max(less):.2f} kW less with reports")
assert max(less) < 0.01

# %% [markdown]
# It loses nothing here. The power that was handed on was offered to it before, but never drawn.
#
# In the next chart the two areas are what the cars draw. The gap below the dashed line is power that nobody
# uses.


# %%
def draw_pair(reports, first_soc):
    history = charge(reports, first_soc / 100)
    minutes = [step / 2 for step in range(len(history) - 1)]
    drawn = {"first car": [row[2] for row in history[:-1]], "second car": [row[3] for row in history[:-1]]}
    title = f"{'With' if reports else 'Without'} reports: the second car needs {len(history) / 2:.0f} minutes to 80 %"
    lines = {"limit": 150}
    chart = steps(minutes, drawn, title, across="minutes", stacked=True, lines=lines, top=170)
    return chart.update_xaxes(range=[0, 45])


# %% [markdown]
# Without reports the first car is offered its half even after it is full, because the station does not know.
# Press the switch and see the gap close. Then drag the SoC at which the first car arrives. The later it is in
# its curve, the more the reports are worth to the neighbour.

# %% tags=["nbval-ignore-output"]
told, at = switch("The meters report"), slider("First car arrives at, %", 10, 95, 60, 5)
live(draw_pair, reports=told, first_soc=at)

# %% [markdown]
# With reports a small gap remains. It is the margin: without it the station could not see that a car wants
# more again.
#
# ## Exercises
#
# ### Exercise 1: The last fifth
#
# A driver asks whether to stay until 100 %. Compute for our car at a 150 kW charger how long it takes from 10
# to 80 %, and how long from 80 to 100 %. How many minutes does one kilowatt-hour cost in each part?

# %% [markdown]
# Solution: the last fifth of the battery takes almost as long as all that came before. It has 14.5 kWh, and
# each of them takes more than three times as long. While the car stays for them, somebody else may wait for
# the connector.

# %% tags=["solution"] jupyter={"source_hidden": true}
for start, end in ((0.10, 0.80), (0.80, 1.00)):
    kwh, minutes = stop(ours, 150, start, end)
    print(f"{start:.0%} to {end:.0%}: {kwh:.1f} kWh, {minutes:.1f} min, {minutes / kwh:.2f} minutes a kWh")

# %% [markdown]
# ### Exercise 2: Design a curve
#
# Two cars have 70 kWh each. One has a peak of 250 kW at 0 % and falls in a straight line to 50 kW at 80 %.
# The other has 150 kW from 0 to 80 %, and no peak. Which one is faster from 10 to 80 %? Guess, then build
# both with `ChargingCurve` and `Vehicle`.

# %% [markdown]
# Solution: the flat car is faster, with 100 kW less in its brochure. The other one hurries through the part
# where its power is high, so it spends most of its time where the power is low. On a straight line from 225
# to 50 kW the mean power is the logarithmic mean of both ends. It is 116 kW, and the ordinary mean would be
# 137.5 kW.

# %% tags=["solution"] jupyter={"source_hidden": true}
import math

from electra_core import ChargingCurve

shapes = {"peak": {0.0: 250, 0.8: 50, 1.0: 10}, "flat": {0.0: 150, 0.8: 150, 1.0: 10}}
for shape, points in shapes.items():
    kwh, minutes = stop(Vehicle(max(points.values()), 70, ChargingCurve(points)), 350)
    print(f"{shape}: {minutes:.1f} minutes, {60 * kwh / minutes:.0f} kW on average")
print(f"from 225 to 50 kW: {(225 - 50) / math.log(225 / 50):.0f} kW, ordinary mean {(225 + 50) / 2} kW")

# %% [markdown]
# ### Exercise 3: A station that knows the curves
#
# Plug in the same two cars with their `arrival_soc` and `target_soc`, at the same charger. Now the station
# knows both curves. Advance it minute by minute until the second car is at 80 %. Is it faster than with
# reports?

# %% [markdown]
# Solution: about as fast, and a little faster. What the station knows, it need not learn from the meter, so
# it keeps no margin. The reports reach nearly the same without any knowledge of the curves.

# %% tags=["solution"] jupyter={"source_hidden": true}
station = Station(load_config(shared))
station.plug_in("CP1", 1, pair[0], arrival_soc=0.60)
station.plug_in("CP1", 2, pair[1], arrival_soc=0.10, target_soc=0.80)
while station.state.sessions["CP1", 2].soc < 0.80 - 1e-6:
    station.advance(30)
print(f"second car: {station.now_s / 60:.1f} minutes; with reports {fast:.1f}, without {slow:.1f}")
assert station.now_s / 60 <= fast

# %% [markdown]
# ## What to remember
#
# - A charging power belongs to a SoC. A peak is a moment; the mean of a stop is what a driver feels.
# - On the published curves the mean from 10 to 80 % is 75 % of the peak on average, with large differences
#   between cars.
# - A charger above the curve of a car gains nothing for this car. It may gain something for a second one.
# - Energy is the integral of power. Imported equals delivered plus used plus lost plus stored, up to
#   rounding.
# - Offered is not drawn. A station that looks at its meters gives the difference to the neighbour.

# %% [markdown]
# ## What is not modelled
#
# - A curve here depends on the SoC alone. Real ones also depend on temperature, age and what the battery did
#   before; a cold battery may take far less.
# - The curves are those of 2021 and before. Cars without a published one have the typical shape.
# - The efficiency of a charger is one number at every power, and losses inside the car are not counted.
# - A car follows its ceiling at once. Real cars need seconds to rise and to fall.
# - Voltage: some chargers give their full power only at a high battery voltage.

# %% [markdown]
# ## Sources
#
# - chargeprice/open-ev-data (2021), MIT licence: the published charging curves.
#   <https://github.com/chargeprice/open-ev-data>
# - open-ev-data/open-ev-data-dataset (2025), CDLA-Permissive-2.0: battery and power of the newer cars.
#   <https://github.com/open-ev-data/open-ev-data-dataset>
# - A. Tomaszewska et al. (2019): Lithium-ion battery fast charging: A review. *eTransportation* 1, 100011
#   (why the power must fall). <https://doi.org/10.1016/j.etran.2019.100011>
# - The rule that hands on what a car does not draw is this project's own: `electra_core/station/timers/reclaim.py`.
