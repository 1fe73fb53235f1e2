# %% [markdown]
# # A day at a real station
#
# *You operate a fast charger with two connectors. A driver writes: "I was alone at your station, and my car still did
# not get what it can take. The driver before me had a neighbour, and charged faster. What held me back?"*
#
# This lesson answers with a log: the sessions that EPFL measured at its fast charger in Switzerland. You see one
# real day, then all of them: when cars come, how long they stay, how often the two connectors are in use together, who
# was held back and by what. At the end you compare the replay with the measurement, and see where it is wrong.

# %% [markdown]
# ## The log
#
# The log lies in the data folder beside this project. Where that folder is absent, a stand-in takes its place: four
# days of the same log, which the package ships. **All numbers in this text are those of the log. The stand-in gives
# others**, but every cell runs.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

from electra_core import load_config, simulate
from electra_core.sessions import day_sessions, read_epfl
from lesson_charts import bars, curves, steps
from lesson_widgets import choice, live, slider

LOG = Path("../../../shared/data/sessions/epfl_level3_2022.csv")

# %% [markdown]
# A shipped day has the same measured sessions, counted from midnight of that day. The function moves them to the
# right date, and adds what `day_sessions` does not give: what the car asked for, whether the station limited it, and a
# car with the peak that `read_epfl` would give it. You may skip this cell.

# %%
import json
from importlib.resources import files

from electra_core.sessions.days import logged_car

# %% [markdown]
# The days of the package have the same columns after these lines.


# %%
def shipped(date):
    table = json.loads(files("electra_core").joinpath(f"data/days/epfl_{date}.json").read_text("utf-8"))
    rows = pd.DataFrame(table["sessions"], columns=table["columns"]).set_index("session", drop=False)
    rows["vehicle"] = [logged_car(np.inf, row) for row in rows.to_dict("records")]
    day = day_sessions(f"epfl_{date}").drop(columns="vehicle")
    later_s = (pd.Timestamp(date) - pd.Timestamp("2022-04-12")).total_seconds()
    day = day.assign(arrival_s=day.arrival_s + later_s, departure_s=day.departure_s + later_s)
    return day.join(rows[["vehicle", "requested_kw", "limited"]], on="session_id")


# %% [markdown]
# Now the choice. A row is a session: a car that came to a connector, took a measured energy, and left. Seconds count from
# midnight of 12 April 2022.

# %% tags=["nbval-ignore-output"]
SHIPPED = ["2022-10-18", "2022-10-23", "2022-10-28", "2022-11-02"]
log = read_epfl(LOG) if LOG.exists() else pd.concat(map(shipped, SHIPPED), ignore_index=True)
moments = pd.Timestamp("2022-04-12") + pd.to_timedelta(log.arrival_s, unit="s")
log["date"] = moments.dt.date.astype(str)
print("from the log" if LOG.exists() else "from four shipped days")
print(f"{len(log)} sessions on {log.date.nunique()} days, {log.measured_kwh.sum():,.0f} kWh")

# %% [markdown]
# The log has 992 sessions with 33,035 kWh. It does **not** have names of cars, and no charging curves. What it has
# for each session is the energy, the SoC (state of charge) on arrival and at departure, the highest power that was
# measured, and the highest power that the car asked for. So each car gets a *typical curve* (lesson 02), scaled to a
# peak, and a target: the SoC at which it left in truth.
#
# ## One day
#
# The station has 172.5 kW for two connectors. Two cars share it equally, and what one cannot use goes to the other. In
# this package that rule is `max_min`. The function below builds the same station with any power, so that you can
# try others. The check says that it is the station of the configuration file.

# %%
REAL = load_config("../../configs/epfl_level3.json")


def station(power_kw):
    charger = {"id": "L3", "maxPower": power_kw, "connectors": 2}
    return load_config({"stationId": REAL.station_id, "gridCapacity": power_kw, "chargers": [charger]})


assert station(172.5) == REAL
print(f"{REAL.station_id}: {REAL.grid_capacity_kw} kW for {len(REAL.connectors)} connectors")

# %% [markdown]
# A busy day says more than a quiet one. These are the eight days with the most sessions.

# %% tags=["nbval-ignore-output"]
busiest = log.date.value_counts().sort_index().sort_values(ascending=False, kind="stable").head(8)
print(busiest.to_string())

# %% [markdown]
# To replay a day, take its sessions, count seconds from its midnight, and simulate.

# %% tags=["nbval-ignore-output"]
DAY_S = 86_400


def day_at(day, power_kw):
    cars = log[log.date == day]
    midnight_s = cars.arrival_s.min() // DAY_S * DAY_S
    cars = cars.assign(arrival_s=cars.arrival_s - midnight_s, departure_s=cars.departure_s - midnight_s)
    return simulate(station(power_kw), cars)


print(f"{day_at(busiest.index[0], 172.5).metrics()['delivered_kwh']:.0f} kWh on the busiest day")

# %% [markdown]
# Watch three things in the chart. Where one colour alone reaches the limit, a single car is held back: there is no
# neighbour to blame. Where two colours together reach it, they share. Where the power falls while the car is still
# there, its own curve holds it.
#
# **Choose another day. Then drag the charger's power** to 250 kW, and look for the cars that change.

# %%
power = slider("Charger, kW", 50, 250, 172.5, 0.5)


def draw(day, power_kw):
    run = day_at(day, power_kw)
    held = int((run.sessions.limited_by_charger_s > 0).sum())
    powers = {f"connector {number}": run.connectors["L3", number] for number in (1, 2)}
    title = f"{day}: {power_kw:g} kW hold back {held} of {len(run.sessions)} cars"
    hours, lines = run.connectors.index / 3600, {"limit": power_kw}
    chart = steps(hours, powers, title, across="hour of the day", stacked=True, lines=lines, top=260)
    return chart.update_xaxes(range=[run.sessions.arrival_s.min() / 3600 - 0.5, hours[-1]])


# %% [markdown]
# Choose a day, and drag the power of the charger.

# %% tags=["nbval-ignore-output"]
live(draw, day=choice("Day", busiest.index), power_kw=power)

# %% [markdown]
# What you see is a **replay**, not a measurement: the real arrivals, departures, energies and peaks, and a typical
# curve between them.
#
# ## When they come, how long they stay
#
# Is there a rush hour? Count the arrivals of all days by the hour.

# %% tags=["nbval-ignore-output"]
by_hour = (log.arrival_s % 86_400 // 3600).astype(int).value_counts().reindex(range(24), fill_value=0)
daytime = by_hour.loc[9:19].sum() / len(log)
print(f"{daytime:.0%} between 9:00 and 20:00")
print(f"{by_hour.loc[9:19].min()} to {by_hour.max()} in each of these hours")

# %% [markdown]
# The same as a chart:

# %% tags=["nbval-ignore-output"]
title = f"{daytime:.0%} of the cars come between 9:00 and 20:00"
chart = bars(by_hour.index, {"arrivals of all days": by_hour}, title, y="sessions")
live(lambda: chart.update_xaxes(title="hour of the day"))

# %% [markdown]
# 79% of the cars come from 9:00 to 20:00. The busiest of these hours has 94 arrivals and the quietest 54, less than
# twice as many. There is no sharp rush hour, as there is where people charge when work begins.
#
# How long do they stay?

# %% tags=["nbval-ignore-output"]
stay_min = (log.departure_s - log.arrival_s) / 60
print(stay_min.quantile([0.1, 0.5, 0.9]).round(0).to_string())
print(f"{(stay_min > 60).mean():.0%} stay longer than 60 minutes")
print(f"median energy {log.measured_kwh.median():.1f} kWh, from {log.arrival_soc.median():.0%}")

# %% [markdown]
# Half of the cars leave within 29 minutes, nine of ten within 53, and only 5% stay longer than an hour. The median
# car arrives with an SoC of 29% and takes 30.6 kWh. Keep this in mind for lesson 05, where cars stay for hours.
#
# ## Two cars together
#
# The neighbour is the usual suspect. How often is there one? Add one at each arrival, take one away at each
# departure: the running sum is how many cars are there.

# %% tags=["nbval-ignore-output"]
changes = pd.concat([pd.Series(1, index=log.arrival_s), pd.Series(-1, index=log.departure_s)])
present = changes.groupby(level=0).sum().cumsum()
hours = pd.Series(np.diff(present.index) / 3600).groupby(present.to_numpy()[:-1]).sum()
print(f"one car: {hours[1]:.0f} h, two cars: {hours[2]:.0f} h")
print(f"both connectors in use: {hours[2] / (hours[1] + hours[2]):.0%} of the time with any car")

# %% [markdown]
# For 61 hours there were two cars, for 401 hours there was one: 13% of the time with any car. The same for each
# session: with how many seconds of its stay did another one overlap?

# %% tags=["nbval-ignore-output"]
begins, ends = log.arrival_s.to_numpy(), log.departure_s.to_numpy()
together_s = np.minimum.outer(ends, ends) - np.maximum.outer(begins, begins)
np.fill_diagonal(together_s, 0)
alone = (together_s <= 0).all(axis=1)
print(f"{(~alone).mean():.0%} of the sessions had a neighbour for a while, {alone.mean():.0%} never")

# %% [markdown]
# Both figures are true, and they sound different: 13% of the time, but 39% of the sessions. A driver who asks "how
# likely is it that I must share?" needs the second one.
#
# ## Who was held back, and by what
#
# Now replay all sessions. `result.sessions` says for each one how many seconds it was limited by what: the columns
# `limited_by_..._s`. In each moment exactly one cause counts, so that the seconds add up to the stay.

# %% tags=["nbval-ignore-output"]
replay = simulate(REAL, log)
played = replay.sessions
causes = played.filter(like="limited_by_").sum() / 3600
print(causes[causes > 0].round(0).to_string())
print(f"of {stay_min.sum() / 60:.0f} hours of all stays; at most {replay.timeline.import_kw.max()} kW in all")

# %% [markdown]
# The car's own curve limits for 243 hours, the charger for 102. For 178 hours the car stands there with its energy,
# *in the replay*: in truth some of it charged more slowly, and the sessions' table does not say when charging ended.
#
# A driver complains about a session, not about an hour. So count sessions: who was held back by the charger at any
# time, and did a neighbour have a part in it?

# %% tags=["nbval-ignore-output"]
held = (played.limited_by_charger_s > 0).to_numpy()
print(f"held back: {held.sum()} of {len(held)} ({held.mean():.0%})")
print(f"of these {(held & alone).sum()} never had a neighbour, {(held & ~alone).sum()} had one for a while")
print(f"asked for more than the station has: {(log.requested_kw > 172.5).mean():.0%}")

# %% [markdown]
# This answers the driver of the scene. 58% of the sessions are held back by the charger, 578 of 992. More than half
# of these, 324, **never had a neighbour**: 63% of the cars asked for more than 172.5 kW, and one such car alone is
# more than the station has, while its battery is low. In the chart below the same sessions stand in two groups.

# %% tags=["nbval-ignore-output"]
groups = {"never a neighbour": alone, "a neighbour": ~alone}
counts = {
    "held back by the charger": [int((held & group).sum()) for group in groups.values()],
    "never by the charger": [int((~held & group).sum()) for group in groups.values()],
}
shares = [held[group].mean() for group in groups.values()]
title = f"Held back: {shares[0]:.0%} of those alone, {shares[1]:.0%} of those with a neighbour"
print(title)
live(lambda: bars(list(groups), counts, title, y="sessions"))

# %% [markdown]
# A neighbour makes it likelier, 66% against 53%, but is not the main cause. Would a stronger charger help? Replay the
# same sessions at 250 and at 350 kW.

# %% tags=["nbval-ignore-output"]
for power_kw in (172.5, 250, 350):
    other = simulate(station(power_kw), log, keep_timeline=False)
    other_held = (other.sessions.limited_by_charger_s > 0).mean()
    print(
        f"{power_kw} kW: {other_held:.0%} held back, {other.metrics()['delivered_share']:.1%} of the energy"
    )

# %% [markdown]
# With 350 kW, about twice the power, still 19% are held back. But the energy hardly grows: 99.2% in each case. The
# reason is the target: every car stops at the energy that was measured, and it got that at 172.5 kW in truth. A
# stronger charger would have given it sooner (exercise 1). Whether drivers then leave sooner, or take more, or come
# more often, no replay can say.
#
# ## The replay against the measurement
#
# How wrong is it? The target of each car is the measured SoC at departure, so no car can get more than it took. The
# error has **one side, by construction**: only energy that is missing at the departure can show.

# %% tags=["nbval-ignore-output"]
measured_kwh = log.measured_kwh.to_numpy()
missing_kwh = measured_kwh - played.energy_kwh.to_numpy()
assert missing_kwh.min() > -1e-6
print(
    f"{np.mean(missing_kwh < 1e-6):.0%} get all, {np.mean(missing_kwh <= measured_kwh / 20):.0%} all but 5%"
)
print(f"mean error {missing_kwh.mean():.2f} of {measured_kwh.mean():.1f} kWh, worst {missing_kwh.max():.1f}")

# %% [markdown]
# Sort the sessions by what is missing, and the error has a shape: nothing for most, and a steep end.

# %% tags=["nbval-ignore-output"]
ordered_kwh = np.sort(missing_kwh)
percent = np.linspace(0, 100, len(ordered_kwh))
title = f"{np.mean(missing_kwh < 1e-6):.0%} of the sessions get all of their energy in the replay"
live(lambda: curves(percent, {"missing": ordered_kwh}, title, across="sessions, %", y="kWh missing"))

# %% [markdown]
# 85% get all of their energy, 90% all but 5%, and the mean error is 0.28 of 33.3 kWh. For the others the typical
# curve is unfair: it falls earlier than theirs did. You saw above that 350 kW hardly help them, so the missing
# energy is an error of the curve, or of the measured peak that scales it, and not of the station. A small mean error is also no proof that the curve is right.
# Where it is too *fast*, the car is done early and the error is zero.
#
# **What the flag means.** The log has its own answer to "held back?". The flag is set when the station's set point was
# below what the car requested in any minute of the session. Compare it with the replay.

# %% tags=["nbval-ignore-output"]
flagged = log.limited.to_numpy()
only_log, only_replay = flagged & ~held, held & ~flagged
print(f"flagged {flagged.mean():.0%}, held back in the replay {held.mean():.0%}")
print(f"both agree on {np.mean(held == flagged):.0%}; only the replay: {only_replay.sum()}")
print(
    f"only the log: {only_log.sum()}; of them {(log.requested_kw[only_log] < 172.5).sum()} asked for less than 172.5 kW"
)

# %% [markdown]
# Both agree on 83%. Whom the log does not flag is never held back in the replay, and that is nearly by construction:
# such a car may take what was measured, no more. Of the 164 that only the log flags, 89 asked for less than the
# station has, for a cause that the log does not tell. The other 75 asked for more, but stood where their typical
# curve is below it. Their true curve may have been higher, or they may have requested more than their battery could
# take at that moment. The log cannot tell which, so neither number is the truth.
#
# ## Exercises
#
# ### Exercise 1: What did the limit cost in minutes?
#
# Replay the log at a charger of 1,000 kW, which limits nobody. Compare `done_s`, the moment when a car has its
# energy, for the cars that were held back. How many minutes earlier are they done?

# %% [markdown]
# Solution: cars that are never done have no `done_s` (not a number), and drop out of the mean. In the log a car that
# was held back and is done would be done 3.4 minutes earlier on average, and one of ten at least 7 minutes. That is
# the size of the driver's complaint, in the replay.

# %% tags=["solution", "nbval-ignore-output"] jupyter={"source_hidden": true}
free = simulate(station(1000), log, keep_timeline=False).sessions
earlier_min = ((played.done_s - free.done_s) / 60)[held].dropna()
assert earlier_min.min() > -1e-6
print(f"{len(earlier_min)} cars: mean {earlier_min.mean():.1f} minutes, median {earlier_min.median():.1f}")
print(f"one of ten: {earlier_min.quantile(0.9):.0f} minutes or more")

# %% [markdown]
# ### Exercise 2: Forget the target
#
# The replay knows the SoC at which each driver left. A planner of a new station does not. Let every car charge up to
# 100% for as long as it stays. How much energy do they take, compared with what was measured?

# %% [markdown]
# Solution: the median car takes 16% more than it took in truth. Some drivers stopped before they had to, and some cars
# charged more slowly than the typical curve. The log does not tell these apart. A forecast without targets would be
# too high at this station.

# %% tags=["solution", "nbval-ignore-output"] jupyter={"source_hidden": true}
full = simulate(REAL, log.assign(target_soc=1.0), keep_timeline=False).sessions
ratio = full.energy_kwh.to_numpy() / measured_kwh
print(f"median: {np.median(ratio) - 1:.0%} more than measured")

# %% [markdown]
# ### Exercise 3: Is a neighbour more likely in the evening?
#
# Take the sessions that begin from 17:00 to 20:00. Which share of them has a neighbour for a while, and which share of
# all others?

# %% [markdown]
# Solution: choose by the hour of the arrival, and take means of `~alone`. In the log the evening has more neighbours
# than the rest of the day: 238 sessions begin in these three hours.

# %% tags=["solution", "nbval-ignore-output"] jupyter={"source_hidden": true}
evening = (log.arrival_s % 86_400 // 3600).between(17, 19).to_numpy()
print(f"evening: {np.mean(~alone[evening]):.0%} of {evening.sum()} sessions have a neighbour")
print(f"other hours: {np.mean(~alone[~evening]):.0%} of {np.sum(~evening)}")

# %% [markdown]
# ## What to remember
#
# - Most cars at this fast charger stay about half an hour. Both connectors are in use for a small part of the time, but
#   many sessions share for a while.
# - A car can be held back when it is alone. The station's own power is a limit, and many cars ask for more.
# - Longer than by the charger, cars are limited by their own curves.
# - A replay with a known target has an error of one side. Say so when you quote it.
# - A flag in a log answers the question that its maker asked. Find out which one, before you count it.
#
# ## What is not modelled
#
# - Which car it was, how warm its battery was, and its true charging curve. All cars get the typical curve.
# - Why drivers come and leave when they do. In the replay nobody reacts to a faster or a slower charger.
# - The drivers who found both connectors in use and drove on. They are in no log of sessions.
# - Losses of this charger: the energy is what was measured at it, on the grid's side.
# - The station's other connectors (CHAdeMO, Type 2), which share the same equipment but are not in the log.
#
# ## Sources
#
# - Distributed Electrical Systems Laboratory (DESL), EPFL: *Level-3 EV charging dataset*, session data, MIT licence,
#   Copyright (c) 2025 DESL, EPFL. https://github.com/DESL-EPFL/Level-3-EV-charging-dataset . The whole dataset has
#   1,878 sessions from April 2022 to July 2023 and data by the minute; the file used here has its 992 sessions of
#   2022. The meaning of the flag, and the rule by which the connectors share, are from its README.
# - The typical curve is the median shape of published curves: chargeprice, *open-ev-data* (2021), MIT licence.
#   https://github.com/chargeprice/open-ev-data
