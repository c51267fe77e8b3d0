"""Identifiers: the rule for those from outside, and the public form of ours."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_core.domain.caller import Caller
from loyalty_core.domain.errors import ValidationFailed
from loyalty_core.domain.identifiers import (
    ChannelId,
    ClientId,
    SessionId,
    check_external_id,
    format_session_id,
    parse_session_id,
    receipt_id,
)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True))
def test_what_the_rule_allows_is_accepted_as_it_is(text: str) -> None:
    """Nothing is trimmed or changed in case."""
    assert text == check_external_id("customerId", text)


@pytest.mark.parametrize("text", ["", "-a", ".a", "a b", "a\n", "ä", "a" * 65, "a/b", "１", "a\x00"])  # noqa: RUF001 - a digit that is none of ours
def test_what_it_does_not_is_refused(text: str) -> None:
    """Empty, too long, beginning with a mark, or with any other character, a final newline included."""
    with pytest.raises(ValidationFailed) as refused:
        check_external_id("customerId", text)

    assert "customerId" == refused.value.errors[0].field
    rule = "must be 1 to 64 characters: a letter or digit, then letters, digits, '.', '_', ':' or '-'"
    assert f"customerId {rule}" == refused.value.message


@given(st.uuids())
def test_a_session_id_reads_back(uuid: UUID) -> None:
    """The public form names exactly one session."""
    text = format_session_id(SessionId(uuid))

    assert re.fullmatch(r"sess_[0-9a-f]{32}", text)
    assert uuid == parse_session_id(text)


@pytest.mark.parametrize("text", ["", "sess_", "sess_" + "0" * 31, "SESS_" + "0" * 32, "sess_" + "A" * 32, "0" * 37])
def test_no_session_has_another_name(text: str) -> None:
    """Another spelling of an id is no id: one session has one name."""
    assert parse_session_id(text) is None


@pytest.mark.parametrize(("year", "number", "expected"), [(2026, 1, "RCP-2026-001"), (2026, 12345, "RCP-2026-12345")])
def test_a_receipt_number(year: int, number: int, expected: str) -> None:
    """At least three digits, as many as it takes."""
    assert expected == receipt_id(year, number)


@pytest.mark.parametrize(
    ("channels", "channel", "allowed"),
    [
        (("POS-1",), "POS-1", True),
        (("POS-1",), "POS-12", False),
        (("POS-*",), "POS-12", True),
        (("POS-*",), "pos-12", False),
        (("POS-*",), "POS12", False),
        (("*",), "WEB", True),
        (("WEB", "POS-*"), "POS-", True),
        ((), "WEB", False),
    ],
)
def test_a_key_may_use_its_channels(channels: tuple[str, ...], channel: str, allowed: bool) -> None:
    """Exact names, or prefixes that end in a star."""
    assert allowed is Caller(ClientId("acme"), channels).may_use(ChannelId(channel))


def test_a_caller_sees_its_own_clients_sessions_only() -> None:
    """A channel of the same name under another client is another's."""
    caller = Caller(ClientId("acme"), ("POS-*",))

    assert caller.may_see(ClientId("acme"), ChannelId("POS-1"))
    assert not caller.may_see(ClientId("bolt"), ChannelId("POS-1"))
    assert not caller.may_see(ClientId("acme"), ChannelId("WEB"))
