"""One scale of colours for picture, bars and curves."""

# Okabe and Ito's palette, which colour-blind readers can tell apart (jfly.uni-koeln.de/color, 2008).
GRID = "#0072B2"
BATTERY = "#E69F00"
CHARGING = "#56B4E9"
STORED = "#009E73"
STATIC = "#8A8F94"
LIMIT = "#D55E00"
CEILING = "#CC79A7"

# Text of the figure itself; the page's style sheet takes over where there is one.
INK = "#6B7280"

GRID_LINE = "rgba(128,128,128,0.25)"
