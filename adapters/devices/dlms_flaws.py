"""What a plan may have spoiled on purpose: the plan's words, and what the client engine makes of them."""

from __future__ import annotations

from enum import Enum

from adapters.errors import BenchError
from adapters.protocols.dlms.client_events import Spoil


class Flaw(Enum):
    """What a plan may have spoiled on purpose, in the plan's words."""

    wrong_password = "wrong-password"
    longer_password = "longer-password"
    wrong_key = "wrong-key"
    wrong_challenge = "wrong-challenge"
    reflected_challenge = "reflected-challenge"
    no_authentication = "no-authentication"
    damaged_tag = "damaged-tag"
    replayed_counter = "replayed-counter"
    lower_counter = "lower-counter"
    unciphered = "unciphered"
    unconfirmed = "unconfirmed"
    wrong_block_number = "wrong-block-number"
    block_abort = "block-abort"
    other_suite = "other-suite"
    weaker_protection = "weaker-protection"
    forged_ephemeral_key = "forged-ephemeral-key"
    other_recipient = "other-recipient"
    unauthenticated = "unauthenticated"

    @classmethod
    def of(cls, word: str) -> Flaw | None:
        """Return the flaw a plan names, None for none. Raises BenchError naming the words there are."""
        if not word:
            return None
        try:
            return cls(word)
        except ValueError:
            raise BenchError(f"flaw {word!r} is none of {', '.join(flaw.value for flaw in cls)}") from None


SPOILS: dict[Flaw | None, Spoil] = {
    Flaw.wrong_password: Spoil.WRONG_PASSWORD,
    Flaw.longer_password: Spoil.LONGER_PASSWORD,
    Flaw.wrong_key: Spoil.WRONG_KEY,
    Flaw.wrong_challenge: Spoil.WRONG_CHALLENGE_RESPONSE,
    Flaw.reflected_challenge: Spoil.REFLECTED_CHALLENGE,
    Flaw.damaged_tag: Spoil.DAMAGED_TAG,
    Flaw.replayed_counter: Spoil.REPLAYED_COUNTER,
    Flaw.lower_counter: Spoil.LOWER_COUNTER,
    Flaw.unciphered: Spoil.UNCIPHERED,
    Flaw.wrong_block_number: Spoil.WRONG_BLOCK_NUMBER,
    Flaw.block_abort: Spoil.BLOCK_ABORT,
    Flaw.other_suite: Spoil.OTHER_SUITE,
    Flaw.weaker_protection: Spoil.WEAKER_PROTECTION,
    Flaw.forged_ephemeral_key: Spoil.FORGED_EPHEMERAL_KEY,
    Flaw.other_recipient: Spoil.OTHER_RECIPIENT,
    Flaw.unauthenticated: Spoil.UNAUTHENTICATED,
}
