import getpass
import json

import click

from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.findings import PostgresFindings
from loyalty_adapters.postgres.identifiers import PostgresIdentifierSource
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_directory import PostgresSessionDirectory
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.domain.errors import SessionNotFound
from loyalty_core.domain.identifiers import ChannelId, SessionId, TransactionId, format_session_id, parse_session_id
from loyalty_core.domain.session import Session
from loyalty_core.ports.observer import NullObserver
from loyalty_core.ports.world import Bookkeeping
from loyalty_core.use_cases.operate_delivery import Decision, OperateDelivery
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.session_views import SessionFile, described, described_file, print_file, print_list
from loyalty_web.cli.storage import with_connections

_reason = click.option("--reason", required=True, help="Why; kept in the session's timeline.")
_operator = click.option("--operator", help="Who decides; without it, the user this command runs as.")


@click.group()
def sessions() -> None:
    """Look up sessions; decide what is parked."""


@sessions.command("list")
@click.option("--stuck", is_flag=True, help="Only what is parked and waits for a decision.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array.")
def list_(stuck: bool, limit: int, as_json: bool) -> None:
    """List the sessions that owe PDI something: what is parked, the longest first, then what the workers have."""

    async def look(connections: Connections) -> list[Session]:
        directory = PostgresSessionDirectory(connections)
        parked = await directory.parked(limit)
        waiting = () if stuck else await directory.owed(limit)
        return [*parked, *waiting][:limit]

    with plainly():
        found = with_connections(look)
    if as_json:
        click.echo(json.dumps([described(session) for session in found]))
    elif found:
        print_list(found)
    else:
        click.echo("Nothing is parked." if stuck else "Nothing is owed to PDI.")


@sessions.command()
@click.argument("session_id", required=False)
@click.option("--transaction", nargs=2, metavar="CHANNEL TXN", help="Every session that ever had this key instead.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON array.")
def show(session_id: str | None, transaction: tuple[str, str] | None, as_json: bool) -> None:
    """Show a session and all that happened to it, archived ones too."""
    if (session_id is None) == (transaction is None):
        raise click.UsageError("Name the session by its id, or by --transaction CHANNEL TXN.")

    async def look(connections: Connections) -> list[SessionFile]:
        directory = PostgresSessionDirectory(connections)
        if transaction is not None:
            found = await directory.by_transaction(ChannelId(transaction[0]), TransactionId(transaction[1]))
        else:
            loaded = await PostgresSessions(connections, RowAddresses()).find(_named(session_id or ""))
            found = () if loaded is None else (loaded.session,)
        findings = PostgresFindings(connections)
        return [
            SessionFile(session, await directory.timeline(session.id), await findings.of_session(session.id))
            for session in found
        ]

    with plainly():
        files = with_connections(look)
    if not files:
        raise _unknown()
    if as_json:
        click.echo(json.dumps([described_file(file) for file in files]))
        return
    for file in files:
        print_file(file)


@sessions.command()
@click.argument("session_id")
@_reason
@_operator
def retry(session_id: str, reason: str, operator: str | None) -> None:
    """Give what is parked back to the workers; they try again at once."""
    session = _decide(session_id, reason, operator, abandon=False)
    click.echo(f"{format_session_id(session.id)} is with the workers again.")


@sessions.command()
@click.argument("session_id")
@_reason
@_operator
def abandon(session_id: str, reason: str, operator: str | None) -> None:
    """Give up what is parked, for good: the sale fails, or the return is rejected, with the reason given.

    PDI may have booked it all the same: look there first. What differs then is for people to put right.
    """
    session = _decide(session_id, reason, operator, abandon=True)
    click.echo(f"{format_session_id(session.id)} is {session.status.value}; what was parked is given up.")


def _decide(session_id: str, reason: str, operator: str | None, *, abandon: bool) -> Session:
    async def decide(connections: Connections) -> Session:
        bookkeeping = Bookkeeping(
            store=PostgresSessions(connections, RowAddresses()),
            clock=SystemClock(),
            identifiers=PostgresIdentifierSource(connections),
            observer=NullObserver(),
        )
        return await OperateDelivery(bookkeeping)(decision)

    with plainly():
        decision = Decision(
            session_id=_named(session_id), abandon=abandon, operator=operator or getpass.getuser(), reason=reason
        )
        try:
            return with_connections(decide)
        except SessionNotFound:
            raise _unknown() from None


def _unknown() -> click.ClickException:
    return click.ClickException("There is no such session.")


def _named(text: str) -> SessionId:
    session_id = parse_session_id(text)
    if session_id is None:
        raise click.BadParameter("must be `sess_` and 32 hexadecimal digits", param_hint="SESSION_ID")
    return session_id
