"""The gateway's log says nothing here: what happened is in the trace."""

import pytest
import structlog


@pytest.fixture(autouse=True)
def no_log():
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(wrapper_class=before)
