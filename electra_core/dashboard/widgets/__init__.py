"""Widgets that pages and lessons share; they know no page."""
