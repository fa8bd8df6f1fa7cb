import ssl

import pytest

from chargebridge.link import Endpoint, client_ssl_context
from chargebridge.link.endpoint import basic_authorization, without_credentials

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "identity", "path"),
    [
        ("ws://csms.example/ocpp", "CP1", "/ocpp/CP1"),
        ("ws://csms.example/ocpp", "RDAM 123", "/ocpp/RDAM%20123"),
        ("ws://csms.example/ocpp/", "CP1", "/ocpp/CP1"),
        ("ws://csms.example", "CP1", "/CP1"),
        ("ws://csms.example/", "CP1", "/CP1"),
        ("ws://csms.example/a%20b/ü", "a/b?c#d%ü", "/a%20b/%C3%BC/a%2Fb%3Fc%23d%25%C3%BC"),
    ],
)
def test_ws_1_the_identity_is_appended_percent_encoded(url, identity, path):
    assert Endpoint(url).uri(identity).resource_name == path


@pytest.mark.parametrize(
    ("url", "host", "port", "secure"),
    [
        ("ws://csms.example/ocpp", "csms.example", 80, False),
        ("wss://CSMS.example/ocpp", "csms.example", 443, True),
        ("ws://127.0.0.1:9000/ocpp", "127.0.0.1", 9000, False),
        ("ws://[::1]:9000/ocpp", "::1", 9000, False),
        ("ws://bücher.example", "xn--bcher-kva.example", 80, False),
    ],
)
def test_where_a_url_leads(url, host, port, secure):
    uri = Endpoint(url).uri("CP1")
    assert (uri.host, uri.port, uri.secure) == (host, port, secure)


@pytest.mark.parametrize("identity", ["", ".", ".."])
def test_an_identity_that_is_no_path_segment_is_refused(identity):
    with pytest.raises(ValueError, match="cannot be the identity"):
        Endpoint("ws://csms.example").uri(identity)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://csms.example/", "expected ws://host:port/path or wss://host:port/path"),
        ("ws:///ocpp", "expected ws://host:port/path or wss://host:port/path"),
        ("ws://csms.example/?a=b", "no [?] or # is possible"),
        ("ws://csms.example/#a", "no [?] or # is possible"),
        ("ws://csms.example:99999/", "host or port is not valid"),
        ("ws://" + "x" * 70 + ".example/", "host or port is not valid"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url, error):
    with pytest.raises(ValueError, match=error):
        Endpoint(url)


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(ValueError) as raised:
        Endpoint("ws://CP1:top-secret@csms.example/")
    assert str(raised.value) == (
        "the URL of a central system must not hold credentials; configure the password"
    )


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"subprotocols": ()}, "at least one subprotocol"),
        ({"ping_interval_s": -1}, "ping_interval_s must be 0 or more"),
        ({"pong_timeout_s": 0}, "pong_timeout_s must be above 0"),
        ({"open_timeout_s": 0}, "open_timeout_s must be above 0"),
        ({"max_message_bytes": 0}, "max_message_bytes must be above 0"),
        ({"max_unsent_bytes": 0}, "max_unsent_bytes must be above 0"),
    ],
)
def test_a_figure_out_of_range_is_named(settings, error):
    with pytest.raises(ValueError, match=error):
        Endpoint("ws://csms.example", **settings)


def test_se_3_tls_is_1_2_at_least_and_verifies_chain_and_host():
    context = client_ssl_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.options & ssl.OP_NO_COMPRESSION
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"} <= names
    assert not any("CBC" in name or name.endswith("-SHA") for name in names)


def test_tls_settings_need_a_tls_url():
    with pytest.raises(ValueError, match="TLS settings need a wss:// URL"):
        Endpoint("ws://csms.example", ssl=client_ssl_context())


HEX_KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"


@pytest.mark.parametrize(
    ("password", "key_format", "header"),
    [
        (HEX_KEY, "auto", "Basic QUwxMDAwOgABAgMEBQYH////////////////"),
        (HEX_KEY, "hex", "Basic QUwxMDAwOgABAgMEBQYH////////////////"),
        (bytes.fromhex(HEX_KEY), "auto", "Basic QUwxMDAwOgABAgMEBQYH////////////////"),
        (
            HEX_KEY,
            "text",
            "Basic QUwxMDAwOjAwMDEwMjAzMDQwNTA2MDdGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkY=",
        ),
        ("0001020304050607", "auto", "Basic QUwxMDAwOjAwMDEwMjAzMDQwNTA2MDc="),
        ("0001", "hex", "Basic QUwxMDAwOgAB"),
        ("schlüssel", "text", "Basic QUwxMDAwOnNjaGzDvHNzZWw="),
    ],
)
def test_ws_5_the_key_is_bytes_or_text(password, key_format, header):
    assert basic_authorization("AL1000", password, key_format) == header


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (HEX_KEY, HEX_KEY),
        (HEX_KEY, HEX_KEY.lower()),
        (HEX_KEY, "QUwxMDAwOgABAgMEBQYH////////////////"),
        ("it's a secret \\", "it's a secret \\"),
        ("schlüssel", "schlüssel"),
        ("schlüssel", "QUwxMDAwOnNjaGzDvHNzZWw"),
    ],
)
def test_ws_6_what_a_central_system_repeats_of_credentials_is_masked(password, said):
    header = basic_authorization("AL1000", password, "auto")
    reason = f"closed by the central system: 1008 {f'not {said}!'!r}"
    assert said not in without_credentials(reason, header)
    assert "not ***!" in without_credentials(reason, header)


@pytest.mark.parametrize("header", [None, basic_authorization("AL1000", "the", "text")])
def test_ws_6_the_rest_of_a_reason_stays(header):
    """Masked, it would say which of its words is the password."""
    assert without_credentials("closed by the central system: 1001", header) == (
        "closed by the central system: 1001"
    )


def test_ws_5_a_long_password_that_is_not_hex_is_text():
    assert basic_authorization("A", "z" * 36, "auto") == basic_authorization("A", "z" * 36, "text")


@pytest.mark.parametrize("password", ["xyz", "123", "ü"])
def test_ws_5_a_key_that_is_not_the_promised_hex_is_refused_and_not_repeated(password):
    with pytest.raises(ValueError) as raised:
        basic_authorization("AL1000", password, "hex")
    assert str(raised.value) == "the authorization key is not an even number of hex digits"


def test_ws_6_an_identity_with_a_colon_cannot_be_used_with_basic():
    with pytest.raises(ValueError, match="an identity with a colon cannot be used with HTTP Basic"):
        basic_authorization("AL:1000", "secret", "auto")
