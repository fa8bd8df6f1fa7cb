"""Paths as they are matched."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.rest.middleware import matched_path

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sent", "matched"),
    [
        (b"/charge-points/CP-1", "/charge-points/CP-1"),
        (b"/charge-points/a%2Fb/frames", "/charge-points/a%2Fb/frames"),
        (b"/charge-points/a%2fb", "/charge-points/a%2Fb"),
        (b"/charge-points/50%25", "/charge-points/50%25"),
        (b"/charge-points/a%252Fb", "/charge-points/a%252Fb"),
        (b"/charge-points/S%C3%A4ule%201", "/charge-points/Säule 1"),
        (b"/charge-points/%FF", "/charge-points/\N{REPLACEMENT CHARACTER}"),
        (b"/charge-points/50%", "/charge-points/50%25"),
        (b"/", "/"),
    ],
)
def test_slashes_and_per_cent_signs_within_a_segment_stay_encoded(sent, matched):
    assert matched_path(sent) == matched


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_identity_is_one_segment_and_comes_back(identity):
    path = matched_path(f"/charge-points/{quote(identity, safe='')}/frames".encode())
    _, _, segment, last = path.split("/")
    assert unquote(segment) == identity
    assert last == "frames"
