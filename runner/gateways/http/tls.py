"""The TLS context of connections: which certificate authorities are trusted."""

from __future__ import annotations

import os
import ssl

from runner.core.errors import Untrusted


def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Trusts `ca_bundle`, or the file SSL_CERT_FILE, or the system's authorities with certifi's. Raises Untrusted."""
    ca_file = ca_bundle or os.environ.get("SSL_CERT_FILE") or None
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise Untrusted(
            f"the CA file {ca_file} cannot be used", why=str(error), fix="check SSL_CERT_FILE or ca_bundle"
        ) from error
    if ca_file is None:
        import certifi  # lazy: not where a CA file is named

        context.load_verify_locations(certifi.where())
    return context
