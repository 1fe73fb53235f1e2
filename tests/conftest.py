"""Settings of hypothesis, and fixtures of the browser tests.

Hypothesis takes the same examples in every run, so that a failing test keeps failing.
``pytest --hypothesis-profile=thorough`` takes many more, and new ones in each run.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, max_examples=80, suppress_health_check=_QUIET
)
settings.register_profile(
    "thorough", deadline=None, database=None, max_examples=3000, suppress_health_check=_QUIET
)
settings.load_profile("steady")


# Not every environment that runs tests has a browser: `browser` is imported where it is needed.


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window, for the tests of a file: see `open_browser` for why not for more."""
    from browser import open_browser

    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[str, int]]]:
    """Serve a notebook or a folder of them: address and process id of a server that all tests share."""
    from browser import ENDS_SOON, serve_page

    with ExitStack() as servers:

        @cache
        def start(what: str) -> tuple[str, int]:
            log = tmp_path_factory.mktemp("voila") / "voila.log"
            url, server = servers.enter_context(serve_page(log, what, ENDS_SOON))
            return url, server.pid

        yield start


@pytest.fixture(scope="session")
def served(serve: Callable[[str], tuple[str, int]]) -> tuple[str, int]:
    """The page of the station, as the README serves it: address and process id of the server."""
    return serve("station.ipynb")
