"""The key agreement of a participant's media: DTLS as server over datagrams that others carry (RFC 5764, RFC 8122).

pyOpenSSL does the protocol on memory buffers; the participant is known by its certificate's fingerprint alone.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from services.consult.rtc.srtp import PROFILES, SrtpSession

DTLS_1_2 = 0xFEFD
MTU = 1200
RECORD_HEADER = 13
CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"
DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}
VALID_FOR = timedelta(days=365)


def fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    """A certificate's digest as session descriptions write it."""
    return certificate.fingerprint(DIGESTS[algorithm]()).hex(":").upper()


class Certificate:
    """The node's own certificate and TLS settings, shared by all its connections."""

    def __init__(self, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, token_hex(16))])
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + VALID_FOR)
        certificate = builder.sign(key, hashes.SHA256())
        self.fingerprint = fingerprint(certificate, "sha-256")
        self.context = _context(certificate, key)


def _context(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    # A 1.3 flight with post-quantum shares exceeds one datagram, and memory buffers keep no datagram borders.
    context.set_max_proto_version(DTLS_1_2)
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_cipher_list(CIPHERS)
    context.set_tlsext_use_srtp(b":".join(profile.name for profile in PROFILES))
    return context


@dataclass(frozen=True, slots=True)
class MediaKeys:
    """The protection both directions of a connection agreed on."""

    inbound: SrtpSession
    outbound: SrtpSession


class Refused(Exception):
    """The other end is not who the offer said, or speaks no DTLS we know; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Closed(Exception):
    """The other end has ended the connection."""


class DtlsServer:
    """One connection's handshake and what follows it.

    `send` carries our datagrams; `fingerprints` are the (algorithm, digest) pairs of the participant's offer.
    """

    def __init__(
        self, certificate: Certificate, fingerprints: list[tuple[str, str]], send: Callable[[bytes], None]
    ) -> None:
        self._connection = SSL.Connection(certificate.context)
        self._connection.set_ciphertext_mtu(MTU)
        self._connection.set_accept_state()
        self._fingerprints = fingerprints
        self._send = send
        self.established = False

    def receive(self, datagram: bytes) -> MediaKeys | None:
        """Take a datagram; returns the media keys when this one completes the handshake.

        Raises Refused when the handshake has failed, Closed when the other end says goodbye.
        """
        self._connection.bio_write(datagram)
        if self.established:
            self._drain()
            return None
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return None
        except SSL.Error as error:
            raise Refused("handshake-failed") from error
        finally:
            self._flush()
        self.established = True
        self._verify()
        return self._keys()

    def timeout(self) -> float | None:
        """Seconds until our last flight must be sent again; None when nothing waits."""
        return None if self.established else self._connection.DTLSv1_get_timeout()

    def resend(self) -> None:
        """Send our last flight again if it is time."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise Refused("handshake-timed-out") from error
        finally:
            self._flush()

    def close(self) -> None:
        """Say goodbye, and let go of whoever carries our datagrams."""
        try:
            self._connection.shutdown()
            self._flush()
        except SSL.Error:
            pass
        self._send = lambda _: None

    def _drain(self) -> None:
        """Read and forget application data; notice a goodbye."""
        try:
            while True:
                self._connection.recv(MTU * 2)
        except SSL.WantReadError:
            self._flush()
        except SSL.ZeroReturnError as error:
            raise Closed from error
        except SSL.Error:
            # A stray record after the handshake is not worth a call.
            return

    def _verify(self) -> None:
        """Every fingerprint we can compute must match, and there must be one. RFC 8122 section 5"""
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        known = [(name.lower(), value) for name, value in self._fingerprints if name.lower() in DIGESTS]
        if certificate is None or not known:
            raise Refused("no-certificate")
        for algorithm, value in known:
            if not hmac.compare_digest(value.upper().encode(), fingerprint(certificate, algorithm).encode()):
                raise Refused("another-certificate")

    def _keys(self) -> MediaKeys:
        chosen = self._connection.get_selected_srtp_profile()
        profile = next((profile for profile in PROFILES if profile.name == chosen), None)
        if profile is None:
            raise Refused("no-media-protection")
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", profile.material_length)
        client, server = profile.keys(material)
        return MediaKeys(
            SrtpSession(profile, client, inbound=True),
            SrtpSession(profile, server, inbound=False),
        )

    def _flush(self) -> None:
        pending = bytearray()
        while True:
            try:
                pending += self._connection.bio_read(65536)
            except SSL.WantReadError:
                break
        for datagram in datagrams(bytes(pending)):
            self._send(datagram)


def datagrams(records: bytes) -> list[bytes]:
    """Whole records put together into datagrams of at most `MTU` bytes."""
    packed: list[bytes] = []
    at = 0
    while at + RECORD_HEADER <= len(records):
        end = at + RECORD_HEADER + int.from_bytes(records[at + 11 : at + 13], "big")
        record, at = records[at:end], end
        if packed and len(packed[-1]) + len(record) <= MTU:
            packed[-1] += record
        else:
            packed.append(record)
    return packed
