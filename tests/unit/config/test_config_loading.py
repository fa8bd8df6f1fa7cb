"""A configuration file becomes settings, or a list of everything that is wrong with it."""

import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from chargebridge.chargepoint.behaviour import COMPATIBILITY, PRESETS, behaviour
from chargebridge.config import (
    ChargePointSettings,
    Configuration,
    ConfigurationError,
    KeyFormat,
    LogLevel,
    Problem,
    difference,
    example,
    load,
)
from chargebridge.config.charge_points import ChargePointTable, FleetTable
from chargebridge.config.sections import (
    ApiSettings,
    CentralSystemSettings,
    ClockSettings,
    LinkSettings,
    LogSettings,
    StateSettings,
)

pytestmark = pytest.mark.unit

MINIMAL = """
[central_systems.main]
url = "wss://csms.example/ocpp"
[drivers.sim]
type = "simulator"
"""
TWO = """
[central_systems.a]
url = "ws://a.example"
[central_systems.b]
url = "ws://b.example"
[drivers.sim]
type = "simulator"
"""
FOUR = """
[central_systems.a]
url = "ws://a.example"
[central_systems.b]
url = "ws://b.example"
[drivers.a]
type = "simulator"
[drivers.b]
type = "simulator"
"""
HIDDEN = "hunter2hunter2hunter2"

Read = Callable[..., Configuration]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str, mode: int = 0o600, **environ: str) -> Configuration:
        file = tmp_path / "chargebridge.toml"
        file.write_text(text)
        file.chmod(mode)
        return load(file, environ)

    return read


@pytest.fixture
def problems(read: Read) -> Callable[..., tuple[Problem, ...]]:
    def problems(text: str, mode: int = 0o600, **environ: str) -> tuple[Problem, ...]:
        with pytest.raises(ConfigurationError) as caught:
            read(text, mode, **environ)
        assert HIDDEN not in str(caught.value)
        assert HIDDEN not in repr(caught.value)
        return caught.value.problems

    return problems


Problems = Callable[..., tuple[Problem, ...]]


class TestWhatIsRead:
    def test_the_example_loads_as_it_is(self, read: Read) -> None:
        configuration = read(example(), CSMS_PASSWORD="secret")
        assert len(configuration.charge_points) == 101
        assert configuration.central_systems["main"].password.get_secret_value() == "secret"

    def test_the_example_names_every_key(self) -> None:
        for model in (
            CentralSystemSettings,
            ChargePointTable,
            FleetTable,
            ApiSettings,
            StateSettings,
            LogSettings,
            LinkSettings,
            ClockSettings,
        ):
            for key in model.model_fields:
                assert f"{key} = " in example(), key

    def test_every_key_of_the_example_that_is_commented_out_shows_its_default(self, read: Read) -> None:
        of_a_charger = "vendor|model|serial =|firmware"
        without_default = f"ca_file|certificate|key|password|token|last|{of_a_charger}|speed|real_|simulated_"
        documented = re.sub(rf"(?m)^# (?!{without_default})(\w+ = )", r"\1", example())
        assert tomllib.loads(documented)["link"] == {"connects_per_s": 200, "concurrent_handshakes": 100}
        assert read(documented, CSMS_PASSWORD="x") == read(example(), CSMS_PASSWORD="x")

    def test_one_url_and_several(self, read: Read) -> None:
        assert read(MINIMAL).central_systems["main"].url == ("wss://csms.example/ocpp",)
        several = '["wss://a.example/ocpp", "wss://b.example/ocpp"]'
        text = MINIMAL.replace('"wss://csms.example/ocpp"', several)
        assert read(text).central_systems["main"].url == ("wss://a.example/ocpp", "wss://b.example/ocpp")

    def test_a_charge_point_joins_the_only_central_system_and_driver(self, read: Read) -> None:
        (charge_point,) = read(MINIMAL + '[[charge_points]]\nidentity = "CP1"').charge_points
        assert charge_point == ChargePointSettings(
            identity="CP1", central_system="main", driver="sim", charger="CP1", behaviour=behaviour("easee")
        )

    def test_a_second_central_system_or_driver_breaks_nothing_beside_a_default(self, read: Read) -> None:
        text = FOUR.replace("[central_systems.b]\n", "[central_systems.b]\ndefault = true\n")
        text = text.replace("[drivers.a]\n", "[drivers.a]\ndefault = true\n")
        text += '[[charge_points]]\nidentity = "CP1"\n[[fleets]]\nidentity = "F{n}"\ncount = 2\n'
        text += '[[charge_points]]\nidentity = "CP2"\ncentral_system = "a"\ndriver = "b"'
        configuration = read(text)
        joined = [(one.identity, one.central_system, one.driver) for one in configuration.charge_points]
        assert joined == [("CP1", "b", "a"), ("CP2", "a", "b"), ("F1", "b", "a"), ("F2", "b", "a")]
        assert (configuration.default_central_system, configuration.default_driver) == ("b", "a")
        assert "default" not in configuration.drivers["a"].settings

    def test_to_name_a_default_changes_no_central_system_and_no_driver(self, read: Read) -> None:
        before = read(MINIMAL + '[[charge_points]]\nidentity = "CP1"')
        text = MINIMAL.replace("[drivers.sim]\n", "default = true\n[drivers.sim]\ndefault = true\n")
        text += "[central_systems.other]\nurl = 'ws://other.example'\n[drivers.new]\ntype = 'simulator'\n"
        change = difference(before, read(text + '[[charge_points]]\nidentity = "CP1"'))
        assert (change.central_systems.changed, change.drivers.changed) == (frozenset(), frozenset())
        assert [one.identity for one in change.kept] == ["CP1"]

    def test_everything_of_a_charge_point(self, read: Read) -> None:
        text = """
        [[charge_points]]
        identity = "CP 1"
        central_system = "b"
        driver = "sim"
        charger = "EH1"
        behaviour = "ocpp16"
        compatibility = ["evcc"]
        overrides = { heartbeat_interval_s = 60 }
        configuration = { LocalPreAuthorize = "true", ConnectionTimeOut = "60" }
        vendor = "V"
        model = "M"
        serial = "S"
        serial_in = "both"
        firmware = "F"
        tag_for_untagged = "FREE"
        end_awaited_s = 60
        labels = { site = "Villa Süd", circuit = "1 (32 A)" }
        password = "abc"
        """
        (charge_point,) = read(TWO + text).charge_points
        assert charge_point.password is not None
        assert charge_point.password.get_secret_value() == "abc"
        assert charge_point.behaviour == behaviour(
            "ocpp16", {"heartbeat_interval_s": 60, "plans_in_memory": False}
        )
        assert charge_point.configuration == (("ConnectionTimeOut", "60"), ("LocalPreAuthorize", "true"))
        assert (charge_point.central_system, charge_point.charger) == ("b", "EH1")
        assert (charge_point.vendor, charge_point.model, charge_point.serial) == ("V", "M", "S")
        assert (charge_point.serial_in, charge_point.firmware) == ("both", "F")
        assert charge_point.end_awaited_s == 60
        assert charge_point.labels == (("circuit", "1 (32 A)"), ("site", "Villa Süd"))
        assert hash(charge_point) == hash(read(TWO + text).charge_points[0])

    def test_a_fleet_is_three_lines(self, read: Read) -> None:
        fleet = '[[fleets]]\nidentity = "CP{n:04}"\ncharger = "SIM{n}"\ncount = 5000'
        charge_points = read(MINIMAL + fleet).charge_points
        assert len(charge_points) == 5000
        assert (charge_points[0].identity, charge_points[0].charger) == ("CP0001", "SIM1")
        assert (charge_points[-1].identity, charge_points[-1].charger) == ("CP5000", "SIM5000")
        assert charge_points[0].behaviour is charge_points[-1].behaviour

    def test_a_fleet_is_compatible_with_what_it_names(self, read: Read) -> None:
        fleet = (
            '[[fleets]]\nidentity = "CP{n}"\ncount = 2\ncompatibility = ["home-assistant", "extra-fields"]'
        )
        for charge_point in read(MINIMAL + fleet).charge_points:
            assert charge_point.behaviour == behaviour(
                overrides={
                    "relative_profiles": True,
                    "unknown_measurands_left_out": True,
                    "tolerate_extra_fields": True,
                }
            )

    def test_an_override_goes_before_a_compatibility(self, read: Read) -> None:
        text = 'identity = "a"\ncompatibility = ["evcc"]\noverrides = { plans_in_memory = true }'
        (charge_point,) = read(f"{MINIMAL}[[charge_points]]\n{text}").charge_points
        assert charge_point.behaviour == behaviour("easee")

    def test_the_example_names_every_preset_and_compatibility(self) -> None:
        for name in (*PRESETS, *COMPATIBILITY):
            assert f'"{name}"' in example()

    def test_a_fleet_from_first_to_last(self, read: Read) -> None:
        fleet = '[[fleets]]\nidentity = "A{n:02}"\nserial = "S{n}"\nfirst = 9\nlast = 10'
        charge_points = read(MINIMAL + fleet).charge_points
        assert [(each.identity, each.charger, each.serial) for each in charge_points] == [
            ("A09", "A09", "S9"),
            ("A10", "A10", "S10"),
        ]

    def test_paths_start_at_the_folder_of_the_file(self, read: Read, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("x")
        configuration = read(MINIMAL.replace("[drivers", 'ca_file = "ca.pem"\n[drivers'))
        assert configuration.central_systems["main"].ca_file == tmp_path / "ca.pem"
        assert configuration.state.directory == tmp_path / "state"

    def test_enums_are_enums(self, read: Read) -> None:
        text = MINIMAL.replace("[drivers", 'authorization_key_format = "text"\n[drivers')
        configuration = read(text + '[log]\nlevel = "debug"')
        assert configuration.central_systems["main"].authorization_key_format is KeyFormat.TEXT
        assert configuration.log.level is LogLevel.DEBUG

    def test_secrets_of_drivers_are_resolved_at_any_depth_and_not_shown(self, read: Read) -> None:
        text = MINIMAL + 'accounts = [{ user = "u", password = { env = "P" } }]\nseed = 7'
        driver = read(text, P=HIDDEN).drivers["sim"]
        assert driver.settings == {"accounts": [{"user": "u", "password": HIDDEN}], "seed": 7}
        assert HIDDEN not in repr(driver)

    def test_a_secret_file_ends_with_a_newline_that_is_not_the_secret(
        self, read: Read, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text(HIDDEN + "\n")
        (tmp_path / "secret").chmod(0o640)
        configuration = read(MINIMAL + '[api]\ntoken = { file = "secret" }')
        assert configuration.api.token is not None
        assert configuration.api.token.get_secret_value() == HIDDEN
        assert HIDDEN not in repr(configuration)

    def test_a_byte_order_mark_is_no_problem(self, read: Read) -> None:
        assert read("\ufeff" + MINIMAL).charge_points == ()

    def test_a_clock_for_simulations(self, read: Read) -> None:
        text = MINIMAL + "[clock]\nspeed = 60\nreal_origin_ms = 1\nsimulated_origin_ms = 2"
        assert read(text).clock == ClockSettings(speed=60.0, real_origin_ms=1, simulated_origin_ms=2)


class TestWhatIsWrong:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="No such file or directory; expected a configuration"):
            load(tmp_path / "none.toml", {})

    def test_bad_toml_is_told_with_its_line(self, problems: Problems) -> None:
        (problem,) = problems("[api]\nport = \n")
        assert (problem.line, problem.expected) == (2, "TOML")

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "x.toml").write_bytes(b"\xff")
        with pytest.raises(ConfigurationError, match="expected TOML, which is UTF-8 text"):
            load(tmp_path / "x.toml", {})

    def test_everything_at_once_with_key_line_and_expectation(self, problems: Problems) -> None:
        text = """
[central_systems.main]
url = "http://csms.example"
pasword = "hunter2hunter2hunter2"
ping_interval_s = "60"

[drivers.sim]
type = "simulater"

[[charge_points]]
identity = "CP1"
behaviour = "esee"
vendor = "A vendor with a long name"
overrides = { heartbeat_intervall_s = 1, tolerate_extra_fields = 3 }

[[charge_points]]
central_system = "mian"

[api]
port = 70000

[stat]
"""
        found = [(problem.line, problem.key) for problem in problems(text)]
        assert found == [
            (3, "central_systems.main.url"),
            (4, "central_systems.main.pasword"),
            (5, "central_systems.main.ping_interval_s"),
            (8, "drivers.sim.type"),
            (12, "charge_points.1.behaviour"),
            (13, "charge_points.1.vendor"),
            (14, "charge_points.1.overrides.heartbeat_intervall_s"),
            (14, "charge_points.1.overrides.tolerate_extra_fields"),
            (16, "charge_points.2.identity"),
            (17, "charge_points.2.central_system"),
            (20, "api.port"),
            (22, "stat"),
        ]
        texts = {problem.key: problem for problem in problems(text)}
        assert texts["central_systems.main.pasword"].expected == "`password`, perhaps"
        assert texts["central_systems.main.ping_interval_s"].found == "'60'"
        assert texts["charge_points.2.central_system"].expected == "one of the central_systems: main"
        assert texts["api.port"].expected == "less than or equal to 65535"
        assert texts["stat"].expected == "`state`, perhaps"

    def test_a_wrong_key_hides_no_ocpp_key_and_no_override_of_its_table(self, problems: Problems) -> None:
        text = """
[[charge_points]]
identity = "CP1"
vendor = "A vendor with a long name"
overrides = { heartbeat_intervall_s = 1 }
configuration = { ConectionTimeOut = "60", HeartbeatInterval = "soon" }
"""
        assert [problem.key for problem in problems(MINIMAL + text)] == [
            "charge_points.1.vendor",
            "charge_points.1.overrides.heartbeat_intervall_s",
            "charge_points.1.configuration.ConectionTimeOut",
            "charge_points.1.configuration.HeartbeatInterval",
        ]

    def test_a_problem_reads_as_one_line(self) -> None:
        problem = Problem(Path("/etc/c.toml"), "api.port", "70000", "a port", 3)
        assert str(problem) == "/etc/c.toml:3: api.port: found 70000; expected a port"

    @pytest.mark.parametrize(
        ("urls", "found", "expected"),
        [
            ("[]", "an array of 0", "a URL, or an array of 1 to 8 URLs"),
            (str([f"wss://{n}.example" for n in range(9)]), "an array of 9", "1 to 8 URLs"),
            ("7", "an integer", "a URL, or an array of URLs"),
            ('["wss://a.example", 7]', "an integer", "a URL, or an array of URLs"),
            ('["wss://a.example", "ws://b.example"]', "ws:// and wss:// URLs", "only wss:// ones"),
            ('["wss://a.example", "wss://a.example"]', "a URL twice", "each URL once"),
            ('["wss://a.example", "https://b.example"]', "'https://b.example'", "begins with wss://"),
            (f'["wss://a.example", "wss://u:{HIDDEN}@b.example"]', "'wss://…@b.example'", "no credentials"),
        ],
    )
    def test_several_urls(self, problems: Problems, urls: str, found: str, expected: str) -> None:
        (problem,) = problems(MINIMAL.replace('"wss://csms.example/ocpp"', urls))
        assert (problem.key, problem.line, problem.found) == ("central_systems.main.url", 3, found)
        assert expected in problem.expected

    def test_each_wrong_one_of_several_urls_is_named(self, problems: Problems) -> None:
        urls = '["wss://a.example", "https://b.example", 7, "wss:///c"]'
        found = problems(MINIMAL.replace('"wss://csms.example/ocpp"', urls))
        assert [(problem.key, problem.found) for problem in found] == [
            ("central_systems.main.url", "'https://b.example'"),
            ("central_systems.main.url", "an integer"),
            ("central_systems.main.url", "'wss:///c'"),
        ]

    def test_one_identity_is_once_at_one_url_whatever_the_names(self, problems: Problems) -> None:
        other = MINIMAL.replace("central_systems.main", "central_systems.other").split("[drivers")[0]
        points = "".join(
            f'[[charge_points]]\nidentity = "CP1"\ncharger = "{name}"\ncentral_system = "{name}"\n'
            for name in ("main", "other")
        )
        (problem,) = problems(MINIMAL + other + points)
        assert problem.key == "charge_points.2.identity"
        assert problem.found.endswith(" has at main, the same URL")
        assert problem.expected == "each identity once at a URL"

    def test_files_for_tls_need_wss_at_several_urls_too(self, problems: Problems, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("x")
        urls = '["ws://a.example", "ws://b.example"]\nca_file = "ca.pem"'
        (problem,) = problems(MINIMAL.replace('"wss://csms.example/ocpp"', urls))
        assert (problem.key, problem.expected) == (
            "central_systems.main.ca_file",
            "a wss:// URL, or no such file",
        )

    def test_an_empty_file_lacks_central_system_and_driver(self, problems: Problems) -> None:
        assert [problem.key for problem in problems("")] == ["central_systems", "drivers"]

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://csms.example", "a URL that begins with wss://"),
            ("wss:///ocpp", "a host in the URL"),
            ("wss://csms.example/#x", "a URL without ? and #"),
            (f"wss://csms.example/?key={HIDDEN}", "a URL without ? and #"),
            (f"wss://user:{HIDDEN}@csms.example", "no credentials in a URL"),
            (f"user:{HIDDEN}@csms.example", "a URL that begins with wss://"),
            ("wss://csms.example:99999", "wss://HOST:PORT/PATH"),
            (f"wss://user:{HIDDEN}/x@csms.example", "wss://HOST:PORT/PATH"),
            ("wss://csms.example:0", "a port from 1 to 65535"),
            ("wss://csms.example/a b", "a URL without blanks"),
            ("wss://[csms.example", "wss://HOST:PORT/PATH"),
        ],
    )
    def test_a_url_that_no_charge_point_can_use(self, problems: Problems, url: str, expected: str) -> None:
        (problem,) = problems(MINIMAL.replace("wss://csms.example/ocpp", url))
        assert problem.key == "central_systems.main.url"
        assert problem.expected.startswith(expected)

    @pytest.mark.parametrize(
        ("line", "key", "expected"),
        [
            ('ca_file = "none.pem"', "ca_file", "a file that can be read"),
            ('ca_file = "."', "ca_file", "a file that can be read"),
            ('key = "secret.key"', "key", "`certificate` beside it"),
            ('key = "public.key"', "key", "a file kept secret: chmod 600"),
            ('key_password = "x"', "key_password", "`certificate`"),
            ("reconnect_min_s = 20\nreconnect_max_s = 10", "reconnect_max_s", "at least reconnect_min_s"),
            ('authorization_key_format = "base64"', "authorization_key_format", "'auto', 'text' or 'hex'"),
            (
                'password = "hunter2hunter2hunter2"\nauthorization_key_format = "hex"',
                "authorization_key_format",
                "an even number of hex digits",
            ),
            ("call_timeout_s = 0", "call_timeout_s", "greater than 0"),
            ("call_timeout_s = true", "call_timeout_s", "a valid number"),
            ("call_timeout_s = nan", "call_timeout_s", "a finite number"),
            ("password = 123456", "password", "{ env ="),
            ('password = ""', "password", "the secret"),
            ('password = { env = "NONE" }', "password", "the secret in the environment variable NONE"),
            ('password = { file = "none" }', "password", "a file with the secret"),
            ('password = { file = "public.key" }', "password", "a file kept secret: chmod 600"),
            ('password = { file = "." }', "password", "a file with the secret"),
            ('password = { file = "empty" }', "password", "the secret in one line"),
            ('password = { file = "lines" }', "password", "the secret in one line"),
            ('password = { file = "bytes" }', "password", "the secret as UTF-8 text"),
            ('password = { file = "long" }', "password", "nothing but the secret"),
        ],
    )
    def test_a_central_system_that_cannot_be(
        self, problems: Problems, tmp_path: Path, line: str, key: str, expected: str
    ) -> None:
        for name, content in {
            "secret.key": b"x",
            "public.key": b"x",
            "empty": b"\n",
            "lines": HIDDEN.encode() + b"\nb\n",
            "bytes": b"\xff",
            "long": b"x" * 5000,
        }.items():
            (tmp_path / name).write_bytes(content)
            (tmp_path / name).chmod(0o644 if name == "public.key" else 0o600)
        (problem, *others) = problems(MINIMAL.replace("[drivers", f"{line}\n[drivers"))
        assert problem.key == f"central_systems.main.{key}"
        assert problem.expected.startswith(expected)
        assert not others

    def test_files_for_tls_need_tls(self, problems: Problems, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("x")
        text = MINIMAL.replace("wss:", "ws:").replace("[drivers", 'ca_file = "ca.pem"\n[drivers')
        (problem,) = problems(text)
        assert problem.expected == "a wss:// URL, or no such file"

    def test_plain_secrets_only_in_a_file_that_others_cannot_read(
        self, problems: Problems, read: Read
    ) -> None:
        text = MINIMAL + f'[api]\ntoken = "{HIDDEN}"'
        assert read(text, 0o600).api.token is not None
        (problem,) = problems(text, 0o600 | stat.S_IROTH)
        assert problem.key == "api.token"
        assert problem.expected.endswith("chmod 600")

    @pytest.mark.parametrize(
        ("lines", "key"),
        [
            ('identity = ""', "identity"),
            ('identity = ".."', "identity"),
            ('identity = "CP{n:04}"', "identity"),
            ('identity = "a\\tb"', "identity"),
            (f'identity = "{"x" * 49}"', "identity"),
            ('identity = "a:b"\npassword = "hunter2hunter2hunter2"', "password"),
            ('identity = "a"\ncharger = ""', "charger"),
            ('identity = "a"\ndriver = "other"', "driver"),
            (f'identity = "a"\nvendor = "{"x" * 21}"', "vendor"),
            (f'identity = "a"\nmodel = "{"x" * 21}"', "model"),
            (f'identity = "a"\nserial = "{"x" * 26}"', "serial"),
            ('identity = "a"\nserial_in = "chargeBox"', "serial_in"),
            (f'identity = "a"\nfirmware = "{"x" * 51}"', "firmware"),
            ('identity = "a"\nfirmware = "é"', "firmware"),
            ('identity = "a"\nvendor = "Ä"', "vendor"),
            ('identity = "a"\nconfiguration = { HeartbeatInterval = 60 }', "configuration.HeartbeatInterval"),
            (
                'identity = "a"\nconfiguration = { AuthorizationKey = "hunter2hunter2hunter2" }',
                "configuration",
            ),
            (f'identity = "a"\nconfiguration = {{ {"x" * 51} = "1" }}', f"configuration.{'x' * 51}"),
            ('identity = "a"\noverrides = 3', "overrides"),
            ("identity = 3", "identity"),
        ],
    )
    def test_a_charge_point_that_cannot_be(self, problems: Problems, lines: str, key: str) -> None:
        (problem,) = problems(f"{MINIMAL}[[charge_points]]\n{lines}")
        assert problem.key == f"charge_points.1.{key}"

    @pytest.mark.parametrize("section", ["charge_points", "fleets"])
    def test_each_compatibility_that_is_unknown_is_told_with_its_line(
        self, problems: Problems, section: str
    ) -> None:
        numbers = 'identity = "a{n}"\ncount = 1' if section == "fleets" else 'identity = "a"\n'
        found = problems(
            f'{MINIMAL}[[{section}]]\n{numbers}\ncompatibility = ["ev-cc", "evcc", "homeassistant"]'
        )
        assert [(problem.line, problem.key, problem.found) for problem in found] == [
            (9, f"{section}.1.compatibility.1", "'ev-cc'"),
            (9, f"{section}.1.compatibility.3", "'homeassistant'"),
        ]
        assert {problem.expected for problem in found} == {
            "any of home-assistant, evcc, extra-fields, first-edition"
        }

    def test_one_name_is_no_list_of_compatibilities(self, problems: Problems) -> None:
        (problem,) = problems(f'{MINIMAL}[[charge_points]]\nidentity = "a"\ncompatibility = "evcc"')
        assert (problem.line, problem.key, problem.found, problem.expected) == (
            8,
            "charge_points.1.compatibility",
            "'evcc'",
            "an array of names",
        )

    def test_a_key_is_checked_by_its_other_name_too(self, problems: Problems) -> None:
        (problem,) = problems(
            f'{MINIMAL}[[charge_points]]\nidentity = "a"\nconfiguration = {{ rfidfreecharging = "abc" }}'
        )
        assert (problem.found, problem.expected) == (
            "a value it cannot take",
            "5 to 20 ASCII characters, or nothing",
        )

    def test_a_key_of_easee_needs_a_behaviour_that_has_it(self, problems: Problems, read: Read) -> None:
        text = (
            f'{MINIMAL}[[charge_points]]\nidentity = "a"\nbehaviour = "ocpp16"\n'
            'configuration = { freecharging = "true" }\n'
        )
        (problem,) = problems(text)
        assert str(problem).endswith(
            ":9: charge_points.1.configuration.freecharging: found a key of Easee's extensions;"
            " expected a behaviour with `easee_extensions`, or no such key"
        )
        extended = read(text + "overrides = { easee_extensions = true }")
        assert extended.charge_points[0].configuration == (("freecharging", "true"),)

    def test_keys_are_checked_beside_overrides_that_are_wrong(self, problems: Problems) -> None:
        found = problems(
            f'{MINIMAL}[[charge_points]]\nidentity = "a"\noverrides = {{ power_limits = 3 }}\n'
            'configuration = { freecharging = "perhaps" }'
        )
        assert [problem.key for problem in found] == [
            "charge_points.1.overrides.power_limits",
            "charge_points.1.configuration.freecharging",
        ]

    def test_ws_6_an_identity_with_a_colon_has_no_password_of_its_central_system(
        self, problems: Problems
    ) -> None:
        text = MINIMAL.replace("[drivers", f'password = "{HIDDEN}"\n[drivers')
        (problem,) = problems(text + '[[charge_points]]\nidentity = "a:b"')
        assert problem.key == "charge_points.1.password"

    def test_ws_5_a_hex_key_of_a_charge_point_is_hex(self, problems: Problems) -> None:
        text = MINIMAL.replace("[drivers", 'authorization_key_format = "hex"\n[drivers')
        (problem,) = problems(text + f'[[charge_points]]\nidentity = "a"\npassword = "{HIDDEN}"')
        assert problem.key == "charge_points.1.password"

    def test_the_central_system_must_be_named_if_there_are_several(self, problems: Problems) -> None:
        (problem,) = problems(TWO + '[[charge_points]]\nidentity = "a"')
        assert problem.key == "charge_points.1.central_system"
        assert problem.expected == (
            "one of the central_systems: a, b, or `default = true` in one of their tables"
        )

    @pytest.mark.parametrize("section", ["central_systems", "drivers"])
    @pytest.mark.parametrize(
        ("values", "key", "found", "expected"),
        [
            (("true", "true"), "b", "true, which a has too", "one default of"),
            (("1", "false"), "a", "an integer", "true or false"),
            (('"yes"', "true"), "a", "a string", "true or false"),
        ],
    )
    def test_there_is_one_default(
        self, problems: Problems, section: str, values: tuple[str, str], key: str, found: str, expected: str
    ) -> None:
        text = FOUR
        for name, value in zip("ab", values, strict=True):
            text = text.replace(f"[{section}.{name}]\n", f"[{section}.{name}]\ndefault = {value}\n")
        (problem,) = problems(text)
        assert (problem.key, problem.found) == (f"{section}.{key}.default", found)
        assert problem.expected.startswith(expected)

    @pytest.mark.parametrize(
        ("lines", "key"),
        [
            ('identity = "CP"\ncount = 2', ".identity"),
            ('identity = "CP{x}"\ncount = 2', ".identity"),
            ('identity = "CP{n.real}"\ncount = 2', ".identity"),
            ('identity = "CP{n}"\ncharger = "same"\ncount = 2', ".charger"),
            ('identity = "CP{n}"\nserial = "{"\ncount = 2', ".serial"),
            ('identity = "CP{n}"', ".count"),
            ('identity = "CP{n}"\ncount = 2\nlast = 2', ".count"),
            ('identity = "CP{n}"\nfirst = 5\nlast = 4', ".last"),
            ('identity = "CP{n}"\nlast = 1000000', ".last"),
            (f'identity = "{"x" * 46}{{n}}"\ncount = 100', ""),
            (f'identity = "{{n}}"\nserial = "{"x" * 25}{{n}}"\ncount = 100', ""),
        ],
    )
    def test_a_fleet_that_cannot_be(self, problems: Problems, lines: str, key: str) -> None:
        (problem,) = problems(f"{MINIMAL}[[fleets]]\n{lines}")
        assert problem.key == f"fleets.1{key}"

    def test_an_identity_only_once_at_a_central_system_and_each_charger_once(
        self, problems: Problems, read: Read
    ) -> None:
        fleet = '[[fleets]]\nidentity = "CP{n}"\ncentral_system = "a"\ncount = 5\n'
        single = '[[charge_points]]\nidentity = "CP3"\ncentral_system = "NAME"\ncharger = "CHARGER"\n'
        same = problems(TWO + fleet + single.replace("NAME", "a").replace("CHARGER", "x"))
        assert [problem.key for problem in same] == ["fleets.1.identity"]
        assert same[0].found == "'CP3', which line 12 has at a too"
        twice = problems(TWO + fleet + single.replace("NAME", "b").replace("CHARGER", "CP4"))
        assert [problem.key for problem in twice] == ["fleets.1.charger"]
        fine = read(TWO + fleet + single.replace("NAME", "b").replace("CHARGER", "x"))
        assert len(fine.charge_points) == 6

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("api = 3\n" + MINIMAL, "api"),
            ("charge_points = 3\n" + MINIMAL, "charge_points"),
            ("charge_points = [3]\n" + MINIMAL, "charge_points.1"),
            (MINIMAL + "[drivers.'a b']\ntype = 'simulator'", "drivers.a b"),
            (MINIMAL + "[drivers]\nother = 3", "drivers.other"),
            (MINIMAL + "[clock]\nspeed = 1\nreal_origin_ms = 1", "clock.simulated_origin_ms"),
            (MINIMAL + '[api]\nhost = "0.0.0.0"', "api.token"),
            (MINIMAL + '[api]\nhost = "::"\nport = 80', "api.token"),
            (MINIMAL + '[api]\ntoken = "short"', "api.token"),
            (MINIMAL + "[state]\ndirectory = 2026-01-01", "state.directory"),
            (MINIMAL + '[state]\ndirectory = ""', "state.directory"),
            (MINIMAL + '[drivers.b]\ntype = "simulator"\nk = { env = "NONE" }', "drivers.b.k"),
            (MINIMAL + '[drivers.b]\ntype = "simulator"\nk = { file = 3 }', "drivers.b.k"),
            (MINIMAL + "[drivers.b]", "drivers.b.type"),
            (MINIMAL + '[drivers.b]\ntype = ["x"]', "drivers.b.type"),
        ],
    )
    def test_other_things_that_cannot_be(self, problems: Problems, text: str, key: str) -> None:
        found = [problem.key for problem in problems(text)]
        assert key in found
        assert len(found) <= 2

    def test_an_api_that_is_off_or_on_loopback_needs_no_token(self, read: Read) -> None:
        assert read(MINIMAL + '[api]\nhost = "0.0.0.0"\nenabled = false').api.token is None
        assert read(MINIMAL + '[api]\nhost = "::1"').api.token is None
        assert read(MINIMAL + '[api]\nhost = "localhost"').api.token is None
