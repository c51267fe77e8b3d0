import click

from loyalty_adapters.postgres.personal_data import PostgresPersonalData
from loyalty_core.domain.identifiers import CustomerId, check_external_id
from loyalty_web.cli.plainly import plainly
from loyalty_web.cli.storage import with_connections


@click.group()
def customers() -> None:
    """Forget a customer."""


@customers.command()
@click.argument("customer_id")
def forget(customer_id: str) -> None:
    """Erase what is known of a person: the name, tier and balance last seen, and what tills have noted freely.

    Points, sales and the customer's id stay: they are accounts. Repeating it is harmless. PDI has records of its own.
    """
    with plainly():
        customer = CustomerId(check_external_id("CUSTOMER_ID", customer_id))
        found = with_connections(lambda connections: PostgresPersonalData(connections).forget(customer))
    click.echo(f"Forgotten; sessions of this customer, now without a name: {found}.")
