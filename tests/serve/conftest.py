"""A running page."""

from collections.abc import Iterator

import pytest
from serving import Served, running


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with running(tmp_path_factory.mktemp("served")) as found:
        yield found
        found.process.terminate()
        messages = found.process.communicate(timeout=60)[1]
        assert "Traceback" not in messages
        assert not list(found.temporary.iterdir())
