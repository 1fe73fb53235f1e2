# %% [markdown]
# # Sharing fairly
#
# *Five cars charge at a station. Two of them share a charger and get 75 kW each. At the next charger a car
# gets 100 kW, and the car beside it gets only 50 kW. Each driver asks the same question: "Is this fair, and would
# all of us together get more if the station were less fair?"*
#
# This lesson answers both parts. You see the limits of a station as a tree and pour power into it like water.
# You compare seven rules for sharing. You check that fairness costs nothing on such a tree, and you see three
# things that break this.

# %% [markdown]
# ## The limits are a tree
#
# A car draws through its connector, its charger and the grid connection of the site. Each of them has a
# limit, and each is part of exactly one thing above it. So the limits form a tree: the site is the root, the
# cars are the leaves. A connector serves one car, so its limit and the car's own one are a single number: the
# smaller of the two.

# %%
from electra_core import Demand, Snapshot, allocate

chargers = {"CP1": 150, "CP2": 300, "CP3": 200}  # kW
cars = {"A": ("CP1", 120), "B": ("CP1", 120), "C": ("CP2", 50), "D": ("CP2", 200), "E": ("CP3", 150)}

# %% [markdown]
# Printed from the root to the leaves it reads like this. CP1 and CP2 have two connectors each; at CP3 one car
# stands alone.

# %%
for charger, kw in chargers.items():
    here = [f"{name} up to {most} kW" for name, (at, most) in cars.items() if at == charger]
    print(f"site > {charger}, {kw} kW > {', '.join(here)}")

# %% [markdown]
# `electra_core` calls all that is asked at one moment a `Snapshot`, and what one car asks for a `Demand`.
# `allocate` answers with an offer for each car, and with the limit that stopped it. At a site limit of 400 kW
# these are the numbers of the scene.


# %%
def tree(site_kw, cp1_kw=150):
    demands = [Demand(name, at, most) for name, (at, most) in cars.items()]
    return Snapshot(site_kw, {**chargers, "CP1": cp1_kw}, demands)


# %% [markdown]
# The answer names the power of each car and its reason.

# %%
answer = allocate(tree(400))
for name, kw in answer.offered_kw.items():
    print(f"{name}: {kw:g} kW, stopped by the {answer.limited_by[name]}")

# %% [markdown]
# ## The water level
#
# Imagine that each car is a vessel, as tall as the power that it could take. The station pours power into all
# vessels together, so they rise together. When a vessel is full, its car has all it can take. When the water
# of a charger is used up, the cars there stop, and the others go on. When the water of the site is used up,
# all stop.
#
# The chart has a vessel for each car, and a level for each limit that stops somebody. A level that stops
# nobody is not drawn.

# %%
from lesson_charts import bars
from lesson_widgets import choice, live, slider

could_take = {"could take": [most for _, most in cars.values()]}

# %% [markdown]
# The function that draws asks `allocate` once for each position of the sliders.


# %%
def draw(site_kw, cp1_kw):
    answer = allocate(tree(site_kw, cp1_kw))
    offers, why = answer.offered_kw, answer.limited_by
    held = {limit: [name for name in cars if why[name] == limit] for limit in ("site", "charger")}
    site, cp1 = (max((offers[name] for name in names), default=None) for names in held.values())
    who = {limit: " and ".join(names) or "nobody" for limit, names in held.items()}
    title = f"{sum(offers.values()):.0f} kW in all: the site stops {who['site']}, CP1 stops {who['charger']}"
    lines, heights = {"level of the site": site, "level of CP1": cp1}, [offers[name] for name in cars]
    chart = bars(list(cars), {"offered": heights}, title, marks=could_take, lines=lines, top=220)
    return chart.update_traces(x=[-0.5, 1.5], line={"color": "#46327e"}, selector={"name": "level of CP1"})


# %% [markdown]
# Drag the site limit: the dashed level rises and falls. Drag the limit of CP1: A and B get a second, lower
# level of their own, and what they leave lifts the others.

# %% tags=["nbval-ignore-output"]
live(draw, site_kw=slider("Site limit, kW", 0, 700, 400, 10), cp1_kw=slider("CP1, kW", 0, 300, 150, 10))

# %% [markdown]
# The result has a name: **max-min fairness**. An allocation is max-min fair when nobody can get more unless
# somebody who has less, or as much, loses. Equal shares alone are not the idea: C has only 50 kW because it
# cannot use more, and A and B have less than D because a limit of their own stops them, not because D took
# it.
#
# The level of one limit needs no slow pouring. Sort the cars by what they can take. While the smallest can
# have all of it at an equal share, give it that, and divide the rest among the others.

# %%
import math


def level(limit_kw, most_kw):
    left, rising = limit_kw, sorted(most_kw)
    while rising and rising[0] * len(rising) <= left:
        left -= rising.pop(0)
    return left / len(rising) if rising else math.inf


# %% [markdown]
# Try it on one limit of 300 kW with three cars.

# %%
print(f"300 kW for cars that can take 50, 120 and 200 kW: level {level(300, [50, 120, 200]):g} kW")

# %% [markdown]
# Read the answer with care: at a level of 130 kW the first two cars are full at 50 and 120 kW, and the third
# has the 130 kW that are left. For the tree the same function is used twice. First each charger is filled by
# itself, which gives every car a cap. Then the site is filled, and nobody rises above the cap.


# %%
def share(snapshot):
    caps = {}
    for charger, kw in snapshot.charger_kw.items():
        here = {
            demand.session_id: demand.max_kw for demand in snapshot.demands if demand.charger_id == charger
        }
        top = level(kw, here.values())
        caps |= {name: min(most, top) for name, most in here.items()}
    top = level(snapshot.grid_kw, caps.values())
    return {name: min(cap, top) for name, cap in caps.items()}


# %% [markdown]
# It gives the same powers as the package did.

# %%
print({name: round(kw, 6) for name, kw in share(tree(400)).items()})

# %% [markdown]
# For power that can be divided at will this is the whole algorithm. To trust it we need more than one
# example, so the next cell draws random stations. Each has up to six chargers with up to four cars each.

# %%
import random

rng = random.Random(1974)


def random_tree():
    limits = {f"CP{number}": rng.uniform(20, 400) for number in range(rng.randint(1, 6))}
    ids = [(at, number) for at in limits for number in range(rng.randint(1, 4))]
    demands = [Demand(f"{at}-{number}", at, rng.uniform(10, 300)) for at, number in ids]
    return Snapshot(rng.uniform(50, 1000), limits, demands)


# %% [markdown]
# The seed of the random numbers is fixed, so everybody sees the same stations.

# %%
trees = [random_tree() for _ in range(300)]
print(f"{len(trees)} stations with {sum(len(each.demands) for each in trees)} cars")

# %% [markdown]
# On all of them our function and the package agree for every car, up to the rounding of floating-point
# numbers.

# %%
gaps = [abs(share(each)[name] - kw) for each in trees for name, kw in allocate(each).offered_kw.items()]
assert max(gaps) < 1e-9
print(f"{len(gaps)} cars; the largest difference is below a billionth of a kW: {max(gaps) < 1e-9}")

# %% [markdown]
# ## Seven strategies on one screen
#
# Max-min is one rule of seven in `electra_core.allocation.strategies`. Each of them answers one question: who comes
# first, and in what share? Some look at more than power, so our cars now have a time of arrival, a time of
# departure, wanted energy and a priority. It is minute 30 now.

# %%
known = {  # arrives, leaves (minutes), wants (kWh), priority
    "A": (0, 80, 60, 0),
    "B": (20, 60, 10, 0),
    "C": (5, 300, 20, 1),
    "D": (25, 75, 60, 0),
    "E": (10, 120, 50, 1),
}

# %% [markdown]
# With these facts each car asks again. A `Demand` counts in seconds. The limits are the same as before: only
# the rule will change.


# %%
def demand(name):
    (at, most), (arrives, leaves, kwh, first) = cars[name], known[name]
    times = {"arrived_s": 60 * arrives, "departs_s": 60 * leaves}
    return Demand(name, at, most, remaining_kwh=kwh, priority=first, **times)


def asked(site_kw):
    return Snapshot(site_kw, chargers, [demand(name) for name in cars], now_s=60 * 30)


# %% [markdown]
# The chart is the one that you know, with a rule of your choice.

# %%
from electra_core import STRATEGIES


def draw_strategy(strategy, site_kw):
    offers = allocate(asked(site_kw), strategy).offered_kw
    title = (
        f"{strategy}: {sum(offers.values()):.0f} kW in all, the lowest car has {min(offers.values()):.0f} kW"
    )
    heights = [offers[name] for name in cars]
    return bars(list(cars), {"offered": heights}, title, marks=could_take, top=220)


# %% [markdown]
# Choose a strategy, and drag the site limit. Watch two things: who gains when another one loses, and whether
# the total in the title changes.

# %% tags=["nbval-ignore-output"]
rules, limit = choice("Strategy", STRATEGIES, "first_come"), slider("Site limit, kW", 0, 700, 400, 10)
live(draw_strategy, strategy=rules, site_kw=limit)

# %% [markdown]
# The table has all seven side by side at 400 kW. Read it line by line, from the rule to its result.

# %%
import pandas as pd

rows = {strategy: allocate(asked(400), strategy).offered_kw for strategy in STRATEGIES}
table = pd.DataFrame(rows).T[list(cars)].round(1)
table["total"] = table.sum(axis=1).round(0)
print(table.to_string())

# %% [markdown]
# - `max_min` keeps the lowest cars as high as possible. `proportional` gives more to those that can take
#   more, so C has less than the 50 kW that it could take.
# - `first_come` fills the cars in the order of arrival. D came last and lives on the rest.
# - `earliest_deadline` looks at the departure only, so B is filled before A. `least_laxity` also looks at the
#   time that charging needs. A wants more energy and has less time to spare, so it is filled before B.
# - `priority` lifts C and E first and shares the rest.
# - `uniform` divides the site into five equal parts. C cannot use all of its part, nor can A and B, and
#   nobody else gets the rest: 40 kW are lost.
#
# Six of the seven totals are the same. This is not an accident, as the next section shows.

# %%
totals = {strategy: sum(kw.values()) for strategy, kw in rows.items()}
lost = {strategy: round(400 - total, 6) for strategy, total in totals.items() if total < 400 - 1e-6}
print("less than 400 kW in all:", lost)
assert lost == {"uniform": 40}

# %% [markdown]
# ## Fairness costs nothing here
#
# In many systems fairness has a price: the fair answer moves less in all than the best one (Bertsimas, Farias
# and Trichakis, 2011). To find that price, compute the best total without any fairness. This is a linear
# program: maximise the sum of all powers, subject to the limit of each car, each charger and the site.
# `best_instant` hands it to the solver HiGHS. On a tree there is also a way by hand, from the leaves up:
# whatever stands below a limit passes on the smaller of the limit and its own sum.

# %%
from electra_core.optimization import best_instant


def from_below(snapshot):
    sums = dict.fromkeys(snapshot.charger_kw, 0.0)
    for demand in snapshot.demands:
        sums[demand.charger_id] += demand.max_kw
    return min(snapshot.grid_kw, sum(min(kw, snapshot.charger_kw[at]) for at, kw in sums.items()))


# %% [markdown]
# First for our five cars:

# %%
by_hand, by_solver = from_below(asked(400)), best_instant(asked(400)).total_kw
print(f"at 400 kW: {by_hand:g} kW by hand, {by_solver:g} kW by the solver")

# %% [markdown]
# Now the same for the random stations: the total of max-min, the linear program, and the sum from below.

# %%
for each in trees:
    fair, best = sum(allocate(each).offered_kw.values()), best_instant(each).total_kw
    assert abs(fair - best) < 1e-9 * best
    assert abs(from_below(each) - best) < 1e-9 * best
print(f"{len(trees)} stations: on each the three totals agree to a billionth")

# %% [markdown]
# Why is it so? Look at any allocation in which no power is left while somebody could use it. Each car is then
# either full or below a limit that is used up. Take the used-up limits that have no used-up limit above them,
# and the full cars outside them. Together they separate all cars from the grid, like a cut through the tree.
# The total equals the sum of their limits, and no allocation can push more through the same cut. So **every**
# rule that wastes nothing reaches the best total, and the fair rule is one of them. This is the theorem of
# maximum flow and minimum cut (Ford and Fulkerson, 1956) on a tree. Megiddo (1974) and Fujishige (1980)
# proved more: among all best totals there is one answer whose sorted powers are lexicographically largest,
# and it is the max-min fair one.
#
# For an operator this is good news. The question "fair or full?" does not arise; only the question who comes
# first.

# %% [markdown]
# ## Three things that break it
#
# The proof needs that power can be divided at will and that each kilowatt weighs the same. Real stations
# break both. The next function shows the fair answer beside the best total.


# %%
def compare(snapshot):
    fair, best = allocate(snapshot).offered_kw, best_instant(snapshot)
    for rule, kw in (("max-min", fair), ("best total", best.offered_kw)):
        print(f"{rule}: {', '.join(f'{name} {each:.1f}' for name, each in kw.items())}", end="; ")
        print(f"{sum(kw.values()):.1f} kW in all")
    return best.total_kw - sum(fair.values())


# %% [markdown]
# **Minima.** A car may have a least power: it takes that much or nothing. Here three cars want nothing but
# their minimum, and the site has 60 kW. Cars are admitted in the order of arrival, so F comes in first with
# 40 kW. The 20 kW that are left are too little for G or H, and both wait. The best total turns F away.

# %%
minima = {"F": 40, "G": 30, "H": 30}
demands = [Demand(name, "CP1", kw, min_kw=kw) for name, kw in minima.items()]
price = compare(Snapshot(60, {"CP1": None}, demands))
print(f"price of the order: {price:.1f} kW; power that max-min leaves unused: {60 - 40} kW")

# %% [markdown]
# To find the best set of minima is the knapsack problem: which parcels fill a bag best? It is NP-hard (Karp,
# 1972), and its best answer may turn away the car that waited longest. The station takes an order that people
# understand instead.
#
# **Power modules.** Inside a charger stand power modules of one size, and a module serves one connector at a
# time. With two modules of 75 kW each car gets one, though the first can use only 40 kW of its module.

# %%
modules = [Demand("F", "CP1", 40), Demand("G", "CP1", 150)]
price = compare(Snapshot(400, {"CP1": 150}, modules, module_kw={"CP1": 75}))
print(f"price of fairness: {price:.1f} kW")

# %% [markdown]
# The best total leaves the first car with nothing: both modules together are worth more to the second one.
# Modules break equality, because a module cannot serve two cars at once. Three of them for two hungry cars
# make 150 and 75 kW, never twice 112.5 kW.

# %%
hungry = [Demand("F", "CP1", 150), Demand("G", "CP1", 150)]
kw = allocate(Snapshot(400, {"CP1": 225}, hungry, module_kw={"CP1": 75})).offered_kw
print(f"with modules: {kw}; without: {225 / 2} kW each")

# %% [markdown]
# **Unequal losses.** The site limit is counted on the grid's side, the cars' power on theirs. A kilowatt at
# an old charger takes more from the grid than a kilowatt at a new one. Whoever wants the largest total sends
# everything to the new one.


# %%
def two_chargers(old):
    demands = [Demand("new", "CP1", 100), Demand("old", "CP2", 100)]
    return Snapshot(100, {"CP1": None, "CP2": None}, demands, efficiency={"CP1": 0.96, "CP2": old})


# %% [markdown]
# The new charger has an efficiency of 0.96, the old one of 0.80 here, and the grid has 100 kW.

# %%
price = compare(two_chargers(0.80))
print(f"price of fairness: {price:.1f} kW")

# %% [markdown]
# The chart shows both answers for any old charger.

# %%
names = ["car at the new charger", "car at the old charger", "both together"]


def draw_losses(old):
    snapshot = two_chargers(old)
    found = {"max-min": allocate(snapshot).offered_kw, "best total": best_instant(snapshot).offered_kw}
    heights = {rule: [kw["new"], kw["old"], kw["new"] + kw["old"]] for rule, kw in found.items()}
    title = f"Fairness costs {heights['best total'][2] - heights['max-min'][2]:.1f} kW of 100 from the grid"
    return bars(names, heights, title, grouped=True, top=110)


# %% [markdown]
# Drag the efficiency of the old charger. When both are equal, at 0.96, fairness is free again. The smallest
# difference is enough here for the best total to leave one driver with nothing, which is a reason not to
# maximise totals.

# %% tags=["nbval-ignore-output"]
live(draw_losses, old=slider("Efficiency of the old charger", 0.5, 0.96, 0.8, 0.01))

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: A larger grid connection
#
# The owner of our five-car station asks which site limit would slow nobody. Find it on paper, from the leaves
# up. Then drag the slider of the water level to check.

# %% [markdown]
# Solution: each charger passes on the smaller of its limit and the sum of its cars. CP1 passes on 150 kW, CP2
# 250 kW and CP3 150 kW. So the site needs 550 kW. With one kilowatt less somebody is stopped by the site, and
# with more nothing changes: A and B are stopped by their charger.

# %% tags=["solution"] jupyter={"source_hidden": true}
wanted = {at: sum(most for where, most in cars.values() if where == at) for at in chargers}
passed = {at: min(chargers[at], kw) for at, kw in wanted.items()}
print(passed, "together", sum(passed.values()), "kW")
for site_kw in (sum(passed.values()) - 1, sum(passed.values())):
    reasons = list(allocate(tree(site_kw)).limited_by.values())
    print(f"{site_kw} kW: {reasons.count('site')} stopped by the site")

# %% [markdown]
# ### Exercise 2: One car leaves
#
# At a site limit of 400 kW car C departs. Its 50 kW are free. Who gets them? Write down a number for each car
# before you look.

# %% [markdown]
# Solution: A and B get nothing of it, because CP1 stops them. D and E stand at the level of the site and rise
# together, from 100 to 125 kW.

# %% tags=["solution"] jupyter={"source_hidden": true}
stay = [demand for demand in tree(400).demands if demand.session_id != "C"]
before, after = allocate(tree(400)).offered_kw, allocate(Snapshot(400, chargers, stay)).offered_kw
for name, kw in after.items():
    print(f"{name}: {before[name]:g} kW, then {kw:g} kW")

# %% [markdown]
# ### Exercise 3: Not a tree
#
# Two power lines of 100 kW each stand one behind the other. One user draws through both lines, one through
# the first only, one through the second only. The first user takes of both limits, so this is not a tree.
# What does max-min give, what is the best total, and what does fairness cost?

# %% [markdown]
# Solution: let the user of both lines have x. The other two then have 100 - x each, so the total is 200 - x.
# Max-min sets all three equal, at 50 kW. The best total sets x to zero. Fairness costs a quarter here,
# because one kilowatt for the first user takes one from each of the two others. This example stands in many
# textbooks on networks.

# %% tags=["solution"] jupyter={"source_hidden": true}
total = {x: x + (100 - x) + (100 - x) for x in range(101)}
equal = next(x for x in total if x == 100 - x)
most = max(total, key=total.get)
print(f"max-min: {equal} kW each, {total[equal]} kW in all; best: x = {most} kW, {total[most]} kW in all")
print(f"price: {1 - total[equal] / total[most]:.0%}")

# %% [markdown]
# ## What to remember
#
# - The limits of a station form a tree. A car follows the lowest water level between it and the grid.
# - Max-min fair does not mean equal. It means that nobody can gain unless somebody who has less, or as much,
#   loses.
# - On a tree of divisible power every rule that wastes nothing reaches the best total. The fair one is among
#   them.
# - A rule that gives equal parts and does not hand on the rest (`uniform`) wastes power.
# - Minima, power modules and unequal losses break the proof. There the best total may leave a driver with
#   nothing.

# %% [markdown]
# ## What is not modelled
#
# - One moment only. Equal power now is not equal energy, nor equal waiting. Later lessons let time pass.
# - The tree has a site, chargers and connectors. Real sites may have feeders and fuses between them; the
#   argument holds for deeper trees, but `Snapshot` has no such level.
# - No phases, voltages or reactive power. With three unequal phases the limits are not a plain tree of
#   kilowatts.
# - Each car is believed: what it says that it could take is what it is counted with.

# %% [markdown]
# ## Sources
#
# - D. Bertsekas and R. Gallager (1992): *Data Networks*, second edition, chapter 6 (flow control; max-min
#   fairness). Prentice Hall. <https://web.mit.edu/dimitrib/www/datanets.html>
# - D. Bertsimas, V. F. Farias and N. Trichakis (2011): The Price of Fairness. *Operations Research* 59(1),
#   17-31. <https://doi.org/10.1287/opre.1100.0865>
# - L. R. Ford and D. R. Fulkerson (1956): Maximal Flow through a Network. *Canadian Journal of Mathematics*
#   8, 399-404. <https://doi.org/10.4153/CJM-1956-045-5>
# - S. Fujishige (1980): Lexicographically Optimal Base of a Polymatroid with Respect to a Weight Vector.
#   *Mathematics of Operations Research* 5(2), 186-196. <https://doi.org/10.1287/moor.5.2.186>
# - Q. Huangfu and J. A. J. Hall (2018): Parallelizing the dual revised simplex method. *Mathematical
#   Programming Computation* 10, 119-142 (the solver HiGHS). <https://doi.org/10.1007/s12532-017-0130-5>
# - R. M. Karp (1972): Reducibility among Combinatorial Problems. In R. E. Miller and J. W. Thatcher (eds.),
#   *Complexity of Computer Computations*, 85-103. Plenum Press. <https://doi.org/10.1007/978-1-4684-2001-2_9>
# - N. Megiddo (1974): Optimal flows in networks with multiple sources and sinks. *Mathematical Programming*
#   7, 97-107. <https://doi.org/10.1007/BF01585506>
