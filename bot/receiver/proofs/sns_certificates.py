"""AWS SNS: which addresses of its may be fetched, and the certificates its messages are signed with."""

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from agents.incident.errors import BadProof, Transient
from bot.receiver.proofs.fetch import Fetcher

MOST_BYTES = 16 * 1024
MOST_HELD = 32
MOST_FETCHES = 20
"""Fetches of certificates a minute, so that made-up addresses cannot make us ask AWS without end."""
A_MINUTE = timedelta(minutes=1)
LEAST_BITS = 2048

# A region has no digit before its last word: s3-us-west-2 is none, and sns.s3-us-west-2.amazonaws.com is a
# bucket that anybody may own. docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
_HOST = r"sns\.[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
# One expression for the whole address: no port, no user, no fragment and no second reading of it.
_CERTIFICATE = re.compile(rf"https://{_HOST}/[A-Za-z0-9._-]{{1,128}}\.pem", re.ASCII)
_CONFIRMATION = re.compile(rf"https://{_HOST}/\?[A-Za-z0-9%&=:._~+-]{{1,2000}}", re.ASCII)


def is_certificate_address(url: str) -> bool:
    """Whether *url* is ``https://sns.<region>.amazonaws.com[.cn]/….pem`` and nothing more."""
    return _CERTIFICATE.fullmatch(url) is not None


def is_confirmation_address(url: str) -> bool:
    """Whether *url* is ``https://sns.<region>.amazonaws.com[.cn]/?…`` and nothing more."""
    return _CONFIRMATION.fullmatch(url) is not None


def certificate(pem: bytes) -> x509.Certificate:
    """The certificate in *pem*; BadProof where there is none. That SNS's own host served it is its warrant."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise BadProof("SigningCertURL: what is there is no certificate in PEM") from error


def public_key(pem: bytes, now: datetime) -> RSAPublicKey:
    """The RSA key of a certificate that is valid *now*; BadProof otherwise."""
    held = certificate(pem)
    if not held.not_valid_before_utc <= now <= held.not_valid_after_utc:
        raise BadProof("SigningCertURL: the certificate is not valid now")
    try:
        key = held.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadProof("SigningCertURL: the certificate's key cannot be read") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_BITS:
        raise BadProof(f"SigningCertURL: an RSA key of {LEAST_BITS} bits or more is needed")
    return key


class Certificates:
    """Certificates by address, each fetched once: SNS never changes what is at one. May be shared by threads."""

    def __init__(
        self, get: Callable[[str], bytes] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._get = get or Fetcher(most_bytes=MOST_BYTES)
        self._clock = clock
        self._lock = Lock()
        self._held: dict[str, bytes] = {}
        self._fetched: tuple[float, ...] = ()

    def __call__(self, url: str) -> bytes:
        """The certificate at *url* in PEM.

        Raises:
            BadProof: the address is not SNS's, or what is there is no certificate. Nothing is kept.
            Refused: SNS answers that it is not to be had.
            Transient: SNS does not serve, or too many unknown addresses were named within a minute.
        """
        if not is_certificate_address(url):
            raise BadProof("SigningCertURL: not an address of SNS's; it was not fetched")
        held = self._held.get(url)
        if held is not None:
            return held
        self._count()
        pem = self._get(url)
        certificate(pem)
        with self._lock:
            if len(self._held) >= MOST_HELD:
                del self._held[next(iter(self._held))]
            self._held[url] = pem
        return pem

    def _count(self) -> None:
        with self._lock:
            now = self._clock()
            recent = tuple(at for at in self._fetched if now - at < A_MINUTE.total_seconds())
            if len(recent) >= MOST_FETCHES:
                raise Transient(
                    f"{MOST_FETCHES} certificates of SNS were fetched within a minute; try again later",
                    retry_after=A_MINUTE,
                )
            self._fetched = (*recent, now)
