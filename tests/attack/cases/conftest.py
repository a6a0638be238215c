"""What a module's ``PLAYED`` cases found, in a server without any guard and in one that refuses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attack.cases.played import played

from holdfast_attack.model import Outcome


@pytest.fixture(scope="module")
def naive(request: pytest.FixtureRequest) -> Mapping[str, Outcome]:
    """Each case's outcome in the server without guards."""
    return played(*request.module.PLAYED)


@pytest.fixture(scope="module")
def sound(request: pytest.FixtureRequest) -> Mapping[str, Outcome]:
    """Each case's outcome in the server that refuses."""
    return played(*request.module.PLAYED, words=("sound",))
