"""Who is asking, and for which channels they may speak."""

import msgspec

from loyalty_core.domain.identifiers import ChannelId, ClientId


class Caller(msgspec.Struct, frozen=True):
    """An authenticated client, narrowed to the channels of the key it used."""

    client: ClientId
    channels: tuple[str, ...]
    """Exact channel names, or prefixes ending in ``*`` (``POS-*``; ``*`` alone is every channel of the client)."""

    def may_use(self, channel: ChannelId) -> bool:
        """Whether the key may act for `channel`."""
        return any(
            channel.startswith(pattern[:-1]) if pattern.endswith("*") else channel == pattern
            for pattern in self.channels
        )

    def may_see(self, client: ClientId, channel: ChannelId) -> bool:
        """Whether a session of `client` at `channel` exists as far as this caller can tell."""
        return client == self.client and self.may_use(channel)
