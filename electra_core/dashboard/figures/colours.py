"""One scale of colours for diagram, bars and curves."""

from __future__ import annotations

# Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color, 2008).
GRID = "#0072B2"
BATTERY = "#E69F00"
CHARGING = "#56B4E9"
STORED = "#009E73"
STATIC = "#8A8F94"
LIMIT = "#D55E00"
CEILING = "#CC79A7"

# Text of the figure itself; a page's style sheet overrides it.
INK = "#6B7280"

GRID_LINE = "rgba(128,128,128,0.25)"

# A station under other rules: a line beside those of the station itself.
RIVAL = "#7A828C"

# Viridis without its ends, which vanish on a dark and on a bright page (Smith and van der Walt, 2015):
# lightness alone tells its steps apart. Neighbours of a stack are far from each other on the scale.
BANDS = (
    "#277f8e",
    "#a0da39",
    "#46327e",
    "#3bbb75",
    "#365c8d",
    "#c2df23",
    "#1fa187",
    "#3e4989",
    "#73d056",
    "#2d708e",
    "#52c569",
    "#433d84",
)
