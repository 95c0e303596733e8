"""The pytest plugin: a `gradproof` fixture and a marker, registered by an entry point.

pytest imports this file at every start, so nothing but the standard library is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradproof._gate.fixture import Checker

MARK = "gradproof(rtol=, atol=, tau=, rng_seed=, profile=, points=, order=, ...): options of the checks in this test"
UPDATE = "--gradproof-update"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("gradproof", "derivatives (gradproof)")
    group.addoption(
        UPDATE, action="store", default="", metavar="REASON",
        help="accept the numbers of checks with a baseline, and say why; refused in continuous integration",
    )  # fmt: skip
    parser.addini(
        "gradproof_baselines",
        "folder of the baselines of tests, from the root (default: tests/gradients)",
        default="tests/gradients",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and refuse to update where nobody looks."""
    config.addinivalue_line("markers", MARK)
    if config.getoption(UPDATE):
        from gradproof._errors import RequestError
        from gradproof._gate.environment import refuse_in_ci

        try:
            refuse_in_ci(UPDATE)
        except RequestError as error:
            raise pytest.UsageError(error.message) from None


@pytest.fixture
def gradproof(request: pytest.FixtureRequest) -> Checker:
    """Checks derivatives in a test: `gradproof.check(f, at=..., claim=...)` fails it with the cause.

    Options of the marker `@pytest.mark.gradproof(...)` hold for every check of the test, the nearest marker first.
    """
    from gradproof._gate.fixture import Checker

    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("gradproof"))):
        if mark.args:
            raise pytest.UsageError(
                f"{request.node.nodeid}: @pytest.mark.gradproof takes options by name, such as rtol=1e-6"
            )
        options |= mark.kwargs
    config = request.config
    folder = config.rootpath / str(config.getini("gradproof_baselines"))
    update: str = str(config.getoption(UPDATE))
    fail: Callable[[str], None] = lambda text: pytest.fail(text, pytrace=False)
    return Checker(str(request.node.nodeid), config.rootpath, folder, update, options, fail)
