"""Charge points that `discover --write` adds to a configuration file."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargebridge.chargers.model import FoundCharger
from chargebridge.config import ConfigurationError, load
from chargebridge.config.appending import append, charge_point_tables

pytestmark = pytest.mark.unit

MINIMAL = """
[central_systems.mine]
url = "ws://csms.example/ocpp"
[drivers.cloud]
type = "simulator"
"""


@pytest.mark.parametrize(
    ("found", "keys"),
    [
        (FoundCharger("EH1"), {}),
        (FoundCharger("EH1", vendor="Easee"), {"vendor": "Easee"}),
        (FoundCharger("EH1", vendor="Easee", model="Home"), {"vendor": "Easee", "model": "Home"}),
        (
            FoundCharger("EH1", name="Villa\n[x]", vendor='Säule "1"\n', model="M" * 30),
            {"vendor": 'Saule "1"?', "model": "M" * 20},
        ),
        (
            FoundCharger("EH1", site='Villa "Süd"\\\n', circuit="1 (32 A)", site_id="7"),
            {"labels": {"site": 'Villa "Süd"\\', "circuit": "1 (32 A)"}},
        ),
        (FoundCharger("EH1", circuit="1"), {"labels": {"circuit": "1"}}),
    ],
    ids=[
        "nothing is known",
        "the vendor is known",
        "both are known",
        "names that OCPP has no room for",
        "site and circuit are labels",
        "a circuit alone",
    ],
)
def test_what_is_known_is_written(found, keys):
    written = charge_point_tables([(found, "EH1")], driver="cloud", central_system="mine")
    (table,) = tomllib.loads(written)["charge_points"]
    assert table == {"identity": "EH1", "driver": "cloud", "central_system": "mine", **keys}


def test_another_identity_is_written_with_its_charger():
    written = charge_point_tables([(FoundCharger("EH1"), "CP-1")], driver="cloud", central_system="mine")
    (table,) = tomllib.loads(written)["charge_points"]
    assert (table["identity"], table["charger"]) == ("CP-1", "EH1")


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_names_of_others_never_make_more_than_a_charge_point(tmp_path_factory, name, site, circuit):
    found = FoundCharger("EH1", name=name, site=site, circuit=circuit)
    written = charge_point_tables([(found, "EH1")], driver="cloud", central_system="mine")
    assert all(line.isprintable() for line in written.splitlines())
    file = tmp_path_factory.mktemp("names") / "chargebridge.toml"
    file.write_text(MINIMAL)
    (charge_point,) = append(file, written).charge_points
    assert charge_point.charger == "EH1"
    assert all(value.isprintable() for _, value in charge_point.labels)


def test_a_problem_names_the_file_and_leaves_it_as_it_was(tmp_path):
    file = tmp_path / "chargebridge.toml"
    file.write_text(MINIMAL)
    found = [(FoundCharger("EH1"), "CP"), (FoundCharger("EH2"), "CP")]
    with pytest.raises(ConfigurationError) as caught:
        append(file, charge_point_tables(found, driver="cloud", central_system="mine"))
    assert [problem.file for problem in caught.value.problems] == [file]
    assert file.read_text() == MINIMAL
    assert [one.name for one in tmp_path.iterdir()] == ["chargebridge.toml"]


def test_5000_charge_points_are_written_and_read_again(tmp_path):
    file = tmp_path / "chargebridge.toml"
    file.write_text(MINIMAL)
    found = [
        (
            FoundCharger(f"EH{number:06}", "name", "Easee", "Home", f"Site {number // 50}", "1"),
            f"CP-{number:04}",
        )
        for number in range(5000)
    ]
    append(file, charge_point_tables(found, driver="cloud", central_system="mine"))
    assert len(load(file).charge_points) == 5000
