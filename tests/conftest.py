"""How hypothesis runs here: the same examples every time, so that a red test stays red.

``pytest --hypothesis-profile=thorough`` looks at many more, and at new ones each time.
"""

from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window, for the tests of a file."""
    # Not every environment that runs tests has one.
    from browser import open_browser

    with open_browser() as browser:
        yield browser
