"""TLS for links: security profiles 2 and 3 (`SE-3`)."""

import ssl
from pathlib import Path


def client_ssl_context(
    *,
    ca_file: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    key_password: str | None = None,
) -> ssl.SSLContext:
    """Return the TLS settings that all links to one central system share.

    TLS 1.2 at least, no compression, forward secrecy and AEAD ciphers only; the certificate chain
    and the host name are always verified.

    Args:
        ca_file: PEM file of the certificate authorities to trust *instead of* the system's.
        certificate: PEM file of the client certificate and its chain (security profile 3).
        key: PEM file of its private key; without it the key is expected in `certificate`.
        key_password: password of the private key, if it has one.

    Raises:
        ValueError: a file is missing, unreadable or not what it should be. The text names the file
            and the remedy, and holds no secret.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    if ca_file is None:
        context.load_default_certs()
    else:
        _trust(context, ca_file)
    if certificate is not None:
        _identify(context, certificate, key, key_password)
    elif key is not None:
        raise ValueError(
            f"{key}: a private key without a client certificate; name the certificate's file too"
        )
    return context


def _trust(context: ssl.SSLContext, ca_file: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise ValueError(
            f"{ca_file}: no CA certificate found in it; it must hold certificates in PEM form"
        ) from error
    except OSError as error:
        raise ValueError(f"{ca_file}: cannot read the CA file: {error.strerror}") from error


def _identify(context: ssl.SSLContext, certificate: Path, key: Path | None, key_password: str | None) -> None:
    for file in (certificate, key):
        if file is not None:
            try:
                file.open("rb").close()
            except OSError as error:
                raise ValueError(f"{file}: cannot read the file: {error.strerror}") from error
    try:
        # An empty password keeps OpenSSL from asking at the terminal.
        context.load_cert_chain(certificate, key, password=key_password or "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key}: this private key does not belong to {certificate}") from error
        raise ValueError(
            f"{certificate}: client certificate or private key {key or '(in the same file)'} not usable; "
            "both must be in PEM form, and an encrypted key needs its password"
        ) from error
