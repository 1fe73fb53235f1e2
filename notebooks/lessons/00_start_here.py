# %% [markdown]
# # Start here
#
# *You stand at a fast charger. It has 200 kW written on it. Your car takes 50 kW. Why is your car slow?*
#
# A charging station answers that question at every moment, for every car. These lessons take a station apart and
# show how. This first one is the map. It takes ten minutes, and a station runs in it.
#
# You need some Python and no electrical engineering. Every number in the text comes from a cell above or below it:
# change a cell, run it again, and see what becomes of the claim.

# %% [markdown]
# ## A station in four lines
#
# A configuration file says what a station is made of: here three chargers with two connectors each, one connection
# to the grid, and a battery that stands on the site.

# %%
from electra_core import Station, catalogue, load_config

config = load_config("../../configs/electra_paris_15.json")
charger = config.chargers[0]
print(f"{len(config.chargers)} chargers of {charger.max_power_kw:g} kW, {len(config.connectors)} connectors")
print(f"share {config.grid_capacity_kw:g} kW of the grid connection")

# %% [markdown]
# Two cars arrive at the same charger. `plug_in` tells the station who stands where, and how full the car's own battery
# is. The station decides at once what each of them gets.

# %%
station = Station(config)
first = station.plug_in("CP001", 1, catalogue()["Hyundai Ioniq 5 73 kWh"], arrival_soc=0.2)
second = station.plug_in("CP001", 2, catalogue()["Volkswagen ID.3 58 kWh"], arrival_soc=0.7)
offered_kw = station.allocation.offered_kw
print(f"offered: {offered_kw[first]:.0f} kW and {offered_kw[second]:.0f} kW")

# %% [markdown]
# Now ask the question of the first line. `explain` answers for one session in a sentence, and says what would help.

# %%
print(station.explain(second))
print(station.explain(first))

# %% [markdown]
# So the second car is slow because of itself: at a state of charge (SoC) of 70 % its own charging curve lets it take no
# more. No station can change that, and lesson 2 says why. The first car is another case: it shares the charger.
#
# ## Something to drag
#
# Drag the limit of the grid connection below what the cars want. Blue is what the grid gives. Where it has not enough,
# the battery on the site helps: yellow. The line over each car is what it could take.

# %%
from lesson_charts import bars
from lesson_widgets import live, slider


def draw(limit_kw):
    station.set_site_limit(limit_kw)
    cars = [car for _, _, car in station.status().sessions]
    series = {"grid": [car.grid_kw for car in cars], "battery": [car.battery_kw for car in cars]}
    names = [f"{car.vehicle}<br>{car.soc:.0%}" for car in cars]
    title = f"{sum(car.allocated_power for car in cars):.0f} kW for two cars, {limit_kw:.0f} kW from the grid"
    return bars(names, series, title, marks={"could take": [car.ceiling_kw for car in cars]}, top=260)


# %% [markdown]
# Each position of the slider is a new decision of the station.

# %% tags=["nbval-ignore-output"]
live(draw, limit_kw=slider("Grid limit, kW", 0, 400, 150))

# %% [markdown]
# What you see is the rule of the whole package: **no limit is ever exceeded, and what a limit leaves is shared so
# that nobody could get more without somebody with less getting less.** Lesson 1 proves it.
#
# ## The station, live
#
# The page of the project shows the same model with time that passes: a real day, cars that come and leave, faults,
# other rules beside the first. Start it with `voila notebooks/station.ipynb`, or open `station.ipynb` in JupyterLab.
#
# ![The page of the station](pictures/station.png)
#
# ## The lessons
#
# Each takes half an hour. They build on each other, but each can be read alone.
#
# | | |
# |---|---|
# | ![](pictures/01_sharing_fairly.png) | [Sharing fairly](01_sharing_fairly.ipynb)<br>Who gets how much, and is that fair? |
# | ![](pictures/02_cars_are_not_constant.png) | [Cars are not constant](02_cars_are_not_constant.ipynb)<br>Why does my car take its full power for a moment only? |
# | ![](pictures/03_a_battery_helps.png) | [A battery helps](03_a_battery_helps.ipynb)<br>When does the battery of the station help, and when not? |
# | ![](pictures/04_a_day_at_a_real_station.png) | [A day at a real station](04_a_day_at_a_real_station.ipynb)<br>Who was held back, and by what? |
# | ![](pictures/05_when_you_know_the_departure.png) | [When you know the departure](05_when_you_know_the_departure.ipynb)<br>Is it worth it to tell when I leave? |
# | ![](pictures/06_when_things_break.png) | [When things break](06_when_things_break.ipynb)<br>What happens when a meter is silent, or a command is late? |
# | ![](pictures/07_your_own_strategy.png) | [Your own strategy](07_your_own_strategy.ipynb)<br>Can I do better? |
#
# A lesson runs in JupyterLab, and with `voila notebooks/lessons/01_sharing_fairly.ipynb` as a page without code.
# Solutions of the exercises are folded: in JupyterLab a click on the bar beside the cell opens them.

# %% [markdown]
# ## The words
#
# These words have one meaning in all lessons. The cell prints them for one car of the station above.

# %%
car = station.status().sessions[0][2]
print(f"ceiling {car.ceiling_kw:.1f} kW: what the car could take now, by its own curve and its connector")
print(f"offered {car.allocated_power:.1f} kW: what the station allows it now")
print(f"boosted with {car.battery_kw:.1f} kW: the part of it that the station's battery gives")
print(f"limited by {car.limited_by.value}: what would have to change for it to get more")

# %% [markdown]
# ## Sources
#
# - The cars and their curves: *Open EV Data*, chargeprice, <https://github.com/chargeprice/open-ev-data> (MIT licence).
# - The station: the configuration of the exercise that this project began with.
