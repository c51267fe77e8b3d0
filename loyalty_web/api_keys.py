"""How an API key is written, what is kept of it, and how a presented one is judged."""

import hashlib
import hmac
import re
import secrets
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from loyalty_core.ports.api_keys import ApiKey, KeyDigest, KeyId

_KEY: Final = re.compile(r"lk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32


class NewKey(NamedTuple):
    """A key that has just been made. `text` is shown once and kept nowhere."""

    id: KeyId
    text: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r})"


def new_key() -> NewKey:
    """A key nobody has: ``lk_<id>_<secret>``, 256 random bits in its secret."""
    key_id = secrets.token_hex(_ID_BYTES)
    return NewKey(KeyId(key_id), f"lk_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}")


def key_id_of(presented: str) -> KeyId | None:
    """The public half of what was presented, or None where no key could ever look like that."""
    found = _KEY.fullmatch(presented)
    return None if found is None else KeyId(found[1])


class Peppers(msgspec.Struct, frozen=True):
    """The secrets that stored digests depend on: the one in use, and the one that is going out of use.

    Keys are random, so a fast hash is the right one: there is nothing in them that could be guessed.
    """

    current: str
    previous: str | None = None

    def digest(self, key: str) -> KeyDigest:
        """What to keep of `key`."""
        return _digest(self.current, key)

    def opens(self, presented: str, stored: ApiKey | None) -> bool:
        """Whether what was presented is the stored key. Takes as long where nothing is stored."""
        pepper = self.current
        if stored is not None and self.previous is not None and stored.digest.pepper_id == _pepper_id(self.previous):
            pepper = self.previous
        made = _digest(pepper, presented).value
        return hmac.compare_digest(made, bytes(len(made)) if stored is None else stored.digest.value)

    def is_outdated(self, stored: ApiKey) -> bool:
        """Whether the digest that is kept of a key is not of the pepper in use."""
        return stored.digest.pepper_id != _pepper_id(self.current)

    def __repr__(self) -> str:
        return "Peppers()"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return []


def _digest(pepper: str, key: str) -> KeyDigest:
    return KeyDigest(_pepper_id(pepper), hmac.digest(pepper.encode(), key.encode(), hashlib.sha256))


@lru_cache(maxsize=8)
def _pepper_id(pepper: str) -> str:
    """Names a pepper without telling it."""
    return hmac.digest(pepper.encode(), b"the name of this pepper", hashlib.sha256).hex()[:8]
