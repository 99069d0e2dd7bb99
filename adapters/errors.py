"""One error tree for everything that can go wrong between a plan and a device.

    LabError
    ├── BenchError                    the bench, its files or the harness are wrong
    │   └── ConfigError               a file is wrong; carries file, line, column, expected, nearest word
    │       └── ConfigErrors          all the mistakes of one file at once, one line each
    ├── TransportError                the wire; carries the bytes received before it broke
    │   ├── ConnectError ─ ConnectTimeout
    │   ├── ReadError    ─ ReadTimeout (silent), LinkLost (closed)
    │   └── WriteError   ─ WriteTimeout
    ├── ProtocolError                 bytes; always carries them
    │   ├── LocalProtocolError        we tried something the protocol forbids: a bug of ours or of the plan
    │   ├── FrameDamaged              a checksum says the wire garbled a frame
    │   └── RemoteProtocolError       the peer sent something its protocol forbids
    ├── NotPermitted                  the bench does not allow what was asked, or the capability is absent
    ├── NotSeen                       whoever looked did not find what is asked: evidence is missing
    └── Refused                       the device said no, in the words of its protocol, or ignored a
                                      request on a link that demonstrably lives (reason "silence")

Third-party errors are translated once, at the border, with ``raise ... from``. A closed link, a silent
one and a garbled one are three different errors, because a lab acts differently on each.
"""

from __future__ import annotations

from collections.abc import Iterable


class LabError(Exception):
    """Root of every error MeterBench raises on purpose; anything else that escapes is a bug."""


class BenchError(LabError):
    """The bench, one of its files or the harness itself is wrong; never the device's fault."""


class ConfigError(BenchError):
    """A plan, bench, profile or image file is wrong.

    ``str()`` is the one message a person reads: ``file:line:column: what; expected ...; did you mean ...?``
    """

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, column: int = 0, hint: str = ""
    ) -> None:
        self.message, self.file, self.line, self.column, self.hint = message, file, line, column, hint
        where = f"{file}:{line}:{column}: " if line else (f"{file}: " if file else "")
        super().__init__(where + message + (f"; {hint}" if hint else ""))


class ConfigErrors(ConfigError):
    """Every mistake found in one file (or one set of files); ``str()`` has one line for each.

    ``errors`` is never empty; the position is that of the first one.
    """

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors: tuple[ConfigError, ...] = tuple(errors)
        first = self.errors[0]
        super().__init__(
            first.message, file=first.file, line=first.line, column=first.column, hint=first.hint
        )
        self.args = ("\n".join(str(error) for error in self.errors),)


class TransportError(LabError):
    """The wire failed. ``received`` holds the bytes that had arrived before it did."""

    def __init__(self, message: str, *, received: bytes = b"") -> None:
        super().__init__(message)
        self.received = received


class ConnectError(TransportError):
    """The link could not be opened."""


class ConnectTimeout(ConnectError):
    """Nobody answered the attempt to open the link."""


class ReadError(TransportError):
    """Receiving failed."""


class ReadTimeout(ReadError):
    """The link is open but silent: nothing (or not enough) came in time."""


class LinkLost(ReadError):
    """The far end closed the link, or the port vanished."""


class WriteError(TransportError):
    """Sending failed."""


class WriteTimeout(WriteError):
    """The far end does not take our bytes."""


class ProtocolError(LabError):
    """Bytes break a protocol. ``data`` holds them; ``clause`` says which rule they break."""

    def __init__(self, message: str, *, data: bytes = b"", clause: str = "") -> None:
        super().__init__(message)
        self.data, self.clause = bytes(data), clause


class LocalProtocolError(ProtocolError):
    """We attempted what the protocol forbids in this state."""


class FrameDamaged(ProtocolError):
    """A checksum shows that the frame was damaged on its way."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes its protocol forbids.

    ``frame_intact`` is True where an end-to-end checksum vouches that these are the bytes the device
    sent, and False where a wire could have bent them; the verdict (device or bench) depends on it.
    """

    def __init__(
        self, message: str, *, data: bytes = b"", clause: str = "", frame_intact: bool = False
    ) -> None:
        super().__init__(message, data=data, clause=clause)
        self.frame_intact = frame_intact


class NotPermitted(LabError):
    """The bench file does not allow this, or the device or profile lacks the capability; nothing was sent."""


class NotSeen(LabError):
    """What is asked for is not to be seen where somebody looked for it: nobody can say, so nobody is blamed.

    Never a refusal: a negative test must not pass because a screen shows less than another one.
    """


class Refused(LabError):
    """The device declined a well-formed request. A result for negative tests, a failure elsewhere.

    ``reason`` is one word of the closed set the role documents (for DLMS: ``association-rejected``,
    ``service-not-allowed``, ``read-write-denied``, ``silence`` ...); ``detail`` is the protocol's own text.
    ``doubtful`` is True where no checksum, tag or signature vouches for the octets that led to it: one bent
    octet may have made it. What was asked for may be asked for once more then, with no harm done.
    """

    def __init__(self, reason: str, detail: str = "", *, data: bytes = b"") -> None:
        super().__init__(f"refused: {reason}" + (f" ({detail})" if detail else ""))
        self.reason, self.detail, self.data = reason, detail, bytes(data)
        self.doubtful = False
