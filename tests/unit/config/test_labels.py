"""Labels of charge points: bounds, filters, and where they come from."""

from pathlib import Path

import pytest

from chargebridge.config import ConfigurationError, difference, load
from chargebridge.config.labels import read_filter
from chargebridge.config.problems import UnexpectedError

pytestmark = pytest.mark.unit

MINIMAL = """
[central_systems.main]
url = "ws://csms.example/ocpp"
[drivers.sim]
type = "simulator"
"""


def read(folder: Path, labels: str, section: str = '[[charge_points]]\nidentity = "CP1"'):
    file = folder / "chargebridge.toml"
    file.write_text(f"{MINIMAL}{section}\nlabels = {labels}\n")
    return load(file, {})


@pytest.mark.parametrize(
    "labels",
    [
        "{}",
        '{ site = "x" }',
        '{ "Zone.7_b-c" = "Größe: 5 m², 車庫" }',
        f'{{ {"k" * 32} = "{"v" * 100}" }}',
        "{ " + ", ".join(f'k{number} = "v"' for number in range(16)) + " }",
    ],
)
def test_labels_within_their_bounds_are_taken(tmp_path, labels):
    (charge_point,) = read(tmp_path, labels).charge_points
    assert len(charge_point.labels) == labels.count(" = ")


@pytest.mark.parametrize(
    ("labels", "found", "expected"),
    [
        ("{ " + ", ".join(f'k{number} = "v"' for number in range(17)) + " }", "17 labels", "16 at most"),
        (f'{{ {"k" * 33} = "v" }}', "the label", "1 to 32 letters, digits"),
        ('{ "a b" = "v" }', "the label 'a b'", "1 to 32 letters, digits"),
        ('{ "" = "v" }', "the label ''", "1 to 32 letters, digits"),
        ('{ "a:b" = "v" }', "the label 'a:b'", "1 to 32 letters, digits"),
        ('{ site = "" }', "'' as label 'site'", "1 to 100 printable characters"),
        (f'{{ site = "{"v" * 101}" }}', "101 characters as label 'site'", "1 to 100 printable characters"),
        ('{ site = "a\\u001b[31m" }', "'a\\x1b[31m' as label 'site'", "1 to 100 printable characters"),
        ('{ site = "a\\u202eb" }', "'a\\u202eb' as label 'site'", "1 to 100 printable characters"),
    ],
)
def test_labels_beyond_their_bounds_are_refused_with_key_and_remedy(tmp_path, labels, found, expected):
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, labels)
    (problem,) = caught.value.problems
    assert problem.key == "charge_points.1.labels"
    assert found in problem.found
    assert expected in problem.expected


def test_a_label_is_text(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, "{ floor = 3 }")
    (problem,) = caught.value.problems
    assert problem.key == "charge_points.1.labels.floor"


def test_all_of_a_fleet_have_its_labels(tmp_path):
    fleet = '[[fleets]]\nidentity = "CP{n}"\ncount = 3'
    charge_points = read(tmp_path, '{ site = "Villa" }', fleet).charge_points
    assert [one.labels for one in charge_points] == [(("site", "Villa"),)] * 3


def test_another_label_is_a_change_of_this_charge_point_alone(tmp_path):
    change = difference(read(tmp_path, '{ site = "A" }'), read(tmp_path, '{ site = "B" }'))
    assert [(old.labels, new.labels) for old, new in change.changed] == [((("site", "A"),), (("site", "B"),))]
    assert (change.added, change.removed, change.kept) == ((), (), ())
    assert not change.restart


def test_a_filter_is_divided_at_its_first_colon():
    assert read_filter("site:Villa: Süd") == ("site", "Villa: Süd")


@pytest.mark.parametrize("text", ["", "site", ":x", "site:", "a b:x", "site:" + "x" * 101])
def test_a_filter_that_no_label_can_have_is_refused(text):
    with pytest.raises(UnexpectedError):
        read_filter(text)
