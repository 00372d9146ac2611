"""One small thing read over HTTP, for a proof that needs it. Which address may be asked is the caller's rule."""

import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import httpx

from agents.incident.errors import Refused, Transient

PATIENCE = timedelta(seconds=2)
"""How long one step may take: connecting, sending, the next bytes."""
MOST_TIME = timedelta(seconds=4)
"""How long all of it may take, so that an answer that trickles holds nobody."""
LATER = frozenset({408, 425, 429})


class Fetcher:
    """GET without redirects, of at most *most_bytes*. May be shared by threads; keeps nothing.

    What goes wrong names the host alone: an address may carry a token.
    """

    def __init__(
        self,
        *,
        most_bytes: int,
        patience: timedelta = PATIENCE,
        most_time: timedelta = MOST_TIME,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_bytes = most_bytes
        self._most_time_s = most_time.total_seconds()
        self._clock = clock
        self._client = httpx.Client(
            timeout=patience.total_seconds(),
            follow_redirects=False,
            # What is compressed could be small on the way and large here.
            headers={"Accept-Encoding": "identity"},
            transport=transport,
        )

    def __call__(self, url: str) -> bytes:
        """The bytes at *url*.

        Raises:
            Transient: the other side does not serve now, or not in time.
            Refused: it answered, and this is not to be had: moved, missing, forbidden or too large.
        """
        until = self._clock() + self._most_time_s
        try:
            host = urlsplit(url).hostname or "the address"
            with self._client.stream("GET", url) as response:
                _check(response.status_code, host)
                return self._read(response, host, until)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise Refused("that is no address of HTTP; nothing was fetched") from error
        except httpx.HTTPError as error:
            raise Transient(f"{host} did not serve ({type(error).__name__}); try again later") from error

    def _read(self, response: httpx.Response, host: str, until: float) -> bytes:
        chunks, size = [], 0
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > self._most_bytes:
                raise Refused(f"{host} answered with more than {self._most_bytes} bytes; it was not read further")
            if self._clock() > until:
                raise Transient(f"{host} took longer than {self._most_time_s:g} s to answer; try again later")
            chunks.append(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _check(status: int, host: str) -> None:
    if status >= 500 or status in LATER:
        raise Transient(f"{host} answered {status}; try again later")
    if 300 <= status < 400:
        raise Refused(f"{host} answered {status}; redirects are not followed")
    if status != 200:
        raise Refused(f"{host} answered {status}; 200 is needed")
