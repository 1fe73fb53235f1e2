"""The other side of the benchmark: a published simulator, run in an environment of its own.

``compare.run_peer`` answers with its seconds and its results; ``environment`` makes its environment;
``run_acnportal.py`` is what runs inside it.
"""
