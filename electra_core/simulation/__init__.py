"""A station for days and years."""
