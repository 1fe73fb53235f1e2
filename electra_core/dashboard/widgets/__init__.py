"""Widgets that both pages and the lessons use."""
