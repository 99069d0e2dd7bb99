"""Suites of a careless firmware release: they take what a correct meter refuses, and look well otherwise."""

from __future__ import annotations

from adapters.protocols.dlms.security import SUITES, DecipheringFailed, Keys, Suite

_BOTH = 0x30


class EitherKeys:
    """Takes the present keys or, where they do not fit, the ones before; answers with what fitted last."""

    def __init__(self, present: Suite, before: Suite) -> None:
        self.number, self.key_octets = present.number, present.key_octets
        self._suites, self._fits = (present, before), present

    def protect(self, plain: bytes, title: bytes, counter: int, control: int = _BOTH) -> bytes:
        """Protect with what fitted last."""
        return self._fits.protect(plain, title, counter, control)

    def unprotect(self, body: bytes, title: bytes) -> tuple[bytes, int, int]:
        """Unprotect with whichever keys fit. Raises DecipheringFailed where none do."""
        present, before = self._suites
        try:
            found = present.unprotect(body, title)
        except DecipheringFailed:
            found = before.unprotect(body, title)
            self._fits = before
        else:
            self._fits = present
        return found

    def prove(self, challenge: bytes, title: bytes, counter: int) -> bytes:
        """Prove with what fitted last."""
        return self._fits.prove(challenge, title, counter)

    def check_proof(self, proof: bytes, challenge: bytes, title: bytes) -> int:
        """Check with what fitted last."""
        return self._fits.check_proof(proof, challenge, title)

    def vouching_for(self, beside: bytes) -> Suite:
        """Return the same, its tags vouching for ``beside`` as well."""
        present, before = self._suites
        return EitherKeys(present.vouching_for(beside), before.vouching_for(beside))


class AnySuite:
    """Takes suite 0 and 1 alike, whichever was agreed on; protects with the agreed one."""

    def __init__(self, number: int, keys: Keys) -> None:
        self.number, self.key_octets = number, SUITES[number].key_octets
        self._agreed = SUITES[number](keys)
        same = [suite for suite in SUITES.values() if suite.key_octets == len(keys.encryption_key)]
        self._by_number = {suite.number: suite(keys) for suite in same}

    def protect(self, plain: bytes, title: bytes, counter: int, control: int = _BOTH) -> bytes:
        """Protect as agreed."""
        return self._agreed.protect(plain, title, counter, control)

    def unprotect(self, body: bytes, title: bytes) -> tuple[bytes, int, int]:
        """Unprotect as the security control octet says."""
        return self._by_number.get(body[0] & 0x0F, self._agreed).unprotect(body, title)

    def prove(self, challenge: bytes, title: bytes, counter: int) -> bytes:
        """Prove as agreed."""
        return self._agreed.prove(challenge, title, counter)

    def check_proof(self, proof: bytes, challenge: bytes, title: bytes) -> int:
        """Check as agreed."""
        return self._agreed.check_proof(proof, challenge, title)

    def vouching_for(self, beside: bytes) -> Suite:
        """Return the agreed suite, its tags vouching for ``beside`` as well."""
        return self._agreed.vouching_for(beside)
