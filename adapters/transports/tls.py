"""TLS over a byte stream of ours: the library ciphers, our transport carries, the clock waits.

The tap gets the clear text: evidence that QA can read, from which secrets can be blanked. What the wire
carried instead is noted: version, cipher and the certificate's digest.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from adapters.base import ByteStream, Clock, Tap
from adapters.errors import (
    BenchError,
    ConnectError,
    ConnectTimeout,
    FrameDamaged,
    LinkLost,
    ReadTimeout,
    TransportError,
    WriteError,
)
from adapters.transports.stream import CHUNK_BYTES, NoTap

T = TypeVar("T")


def client_context(*, verify: bool = True, ca_file: str = "") -> ssl.SSLContext:
    """Return how a server's certificate is checked: by the system's authorities or those in ``ca_file``.

    Raises BenchError for a file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise BenchError(
            f"{ca_file}: no certificates of authorities can be read from it ({error})"
        ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsStream:
    """``ByteStream``: the clear text inside a TLS connection."""

    def __init__(self, *, stream: ByteStream, clock: Clock, tap: Tap | None, name: str) -> None:
        self.name = name
        self._stream, self._clock = stream, clock
        self._tap: Tap = tap if tap is not None else NoTap()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject
        self._open = True

    @classmethod
    def over(
        cls,
        stream: ByteStream,
        *,
        context: ssl.SSLContext,
        server_name: str,
        clock: Clock,
        tap: Tap | None = None,
        timeout_s: float = 10.0,
    ) -> TlsStream:
        """Shake hands over ``stream``, which is closed when that fails.

        Raises ConnectTimeout when the server does not go on, ConnectError when it speaks no TLS or its
        certificate is not accepted.
        """
        made = cls(stream=stream, clock=clock, tap=tap, name=f"tls {server_name}")
        made._tls = context.wrap_bio(made._incoming, made._outgoing, server_hostname=server_name)
        try:
            made._shake_hands(timeout_s)
        except BaseException:
            stream.close()
            raise
        return made

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """See ``ByteStream.read``. LinkLost has a cause where the end came without TLS's own good-bye.

        Raises FrameDamaged for a record that does not authenticate.
        """
        if not self._open:
            raise LinkLost(f"{self.name}: the link is closed")
        try:
            data = self._drive(lambda: self._tls.read(max_bytes), timeout_s)
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLEOFError as error:
            raise LinkLost(f"{self.name}: the far end closed the link in the middle of TLS") from error
        except ssl.SSLError as error:
            raise FrameDamaged(
                f"{self.name}: a TLS record is damaged ({_reason(error)})", clause="RFC 8446 5.2"
            ) from error
        if not data:
            raise LinkLost(f"{self.name}: the far end closed the link") from None
        self._tap.received(data)
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        """See ``ByteStream.write``."""
        if not self._open:
            raise WriteError(f"{self.name}: the link is closed")
        try:
            self._drive(lambda: self._tls.write(data), timeout_s)
        except ssl.SSLError as error:
            raise WriteError(f"{self.name}: cannot send {len(data)} octets ({_reason(error)})") from error
        except LinkLost as error:
            raise WriteError(str(error)) from error
        self._tap.sent(data)

    def close(self) -> None:
        """Say good-bye where that still goes through, and close the link; closing twice is harmless."""
        if self._open:
            self._open = False
            with suppress(ssl.SSLError, TransportError, ValueError):
                self._drive(self._tls.unwrap, 0.0)
            self._stream.close()

    def _shake_hands(self, timeout_s: float) -> None:
        try:
            self._drive(self._tls.do_handshake, timeout_s)
        except ssl.SSLCertVerificationError as error:
            self._say_what_is_wrong()
            text = f"{self.name}: the server's certificate is not accepted ({error.verify_message})"
            raise ConnectError(text) from error
        except (LinkLost, WriteError, ssl.SSLEOFError) as error:
            raise ConnectError(f"{self.name}: the server hung up instead of TLS") from error
        except ssl.SSLError as error:
            raise ConnectError(f"{self.name}: no TLS ({_reason(error)})") from error
        except ReadTimeout as error:
            raise ConnectTimeout(f"{self.name}: no TLS within {timeout_s:g} s") from error
        certificate = self._tls.getpeercert(binary_form=True) or b""
        cipher = self._tls.cipher()
        self._tap.note(
            f"{self._tls.version()} {cipher[0] if cipher else ''}, certificate SHA-256 "
            f"{hashlib.sha256(certificate).hexdigest()}, {self._checked()}; what follows is its clear text"
        )

    def _checked(self) -> str:
        return "not verified" if self._tls.context.verify_mode == ssl.CERT_NONE else "verified"

    def _say_what_is_wrong(self) -> None:
        with suppress(TransportError):
            self._stream.write(self._outgoing.read(), 0.0)  # the alert, so that the server's log knows too

    def _drive(self, operation: Callable[[], T], timeout_s: float) -> T:
        """Carry octets to and fro until ``operation`` has what it needs."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            try:
                result = operation()
            except ssl.SSLWantReadError:
                self._flush(deadline_s)
                left_s = max(0.0, deadline_s - self._clock.monotonic_s())
                try:
                    self._incoming.write(self._stream.read(CHUNK_BYTES, left_s))
                except LinkLost:
                    if self._incoming.eof:
                        raise
                    self._incoming.write_eof()
                continue
            self._flush(deadline_s)
            return result

    def _flush(self, deadline_s: float) -> None:
        if self._outgoing.pending:
            self._stream.write(self._outgoing.read(), max(0.0, deadline_s - self._clock.monotonic_s()))


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or type(error).__name__).replace("_", " ").lower()
