"""What a UART makes of a signal that was sent with other line settings than its own.

The signal is built bit by bit as the sender shifts it out (start bit 0, data bits least significant first,
parity, stop bits 1, idle 1) and sampled as a receiver does: a falling edge starts its bit clock, every bit
is taken at its middle. Times are exact fractions of bit times, so the result is reproducible:
7E1 read as 8N1 shows the parity bit as bit 7; a wrong baud rate gives plausible rubbish of another length.
"""

from __future__ import annotations

from adapters.base import LineSettings


def parity_bit(value: int, parity: str) -> int:
    """Return the parity bit of the data bits ``value`` for parity E or O."""
    ones = value.bit_count() & 1
    return ones if parity == "E" else ones ^ 1


def signal(data: bytes, settings: LineSettings) -> list[int]:
    """Return the line levels of ``data``, one per bit time, sent without gaps between the characters."""
    levels: list[int] = []
    mask = (1 << settings.data_bits) - 1
    for octet in data:
        value = octet & mask
        levels.append(0)
        levels.extend(value >> bit & 1 for bit in range(settings.data_bits))
        if settings.parity != "N":
            levels.append(parity_bit(value, settings.parity))
        levels.extend([1] * settings.stop_bits)
    return levels


def sample(levels: list[int], sent_at_baud: int, settings: LineSettings) -> tuple[bytes, int]:
    """Return the characters a receiver makes of ``levels``, and how many had a parity or framing error.

    Like a Linux tty with INPCK clear, a character with an error is handed on as it was sampled.
    """
    bits = 1 + settings.data_bits + (settings.parity != "N") + 1  # the receiver checks one stop bit
    characters, errors, position = bytearray(), 0, 0
    end = len(levels)

    def level(index: int) -> int:
        return levels[index] if index < end else 1

    while True:
        while position < end and level(position):
            position += 1  # idle: wait for the falling edge
        if position >= end:
            return bytes(characters), errors
        # Sample i lies (2i+1)/2 receiver bit times after the edge: this many sender bit times, rounded down.
        offsets = [(2 * i + 1) * sent_at_baud // (2 * settings.baud) for i in range(bits)]
        taken = [level(position + offset) for offset in offsets]
        if taken[0]:
            position += 1  # a spike shorter than half a bit is no start bit
            continue
        value = sum(bit << i for i, bit in enumerate(taken[1 : 1 + settings.data_bits]))
        wrong = taken[-1] == 0
        if settings.parity != "N":
            wrong |= taken[1 + settings.data_bits] != parity_bit(value, settings.parity)
        characters.append(value)
        errors += wrong
        position += max(1, offsets[-1])
        while position < end and not level(position):
            position += 1  # a framing error: the line has to be seen idle before the next start bit


def transfer(data: bytes, sender: LineSettings, receiver: LineSettings) -> bytes:
    """Return what arrives at ``receiver`` when ``sender`` transmits ``data``."""
    same_frame = (sender.data_bits, sender.parity) == (receiver.data_bits, receiver.parity)
    if same_frame and sender.baud == receiver.baud:
        mask = (1 << sender.data_bits) - 1
        return data if mask == 0xFF else bytes(octet & mask for octet in data)
    return sample(signal(data, sender), sender.baud, receiver)[0]
