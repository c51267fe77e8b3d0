"""What an operator can set of reconciliation."""

from typing import Annotated

from loyalty_web.variables import Section, Variable


class ReconcileSettings(Section, frozen=True, kw_only=True):
    """How PDI is asked about yesterday's sessions, beside today's sales."""

    in_flight: Annotated[
        int,
        Variable(
            name="RECONCILE_IN_FLIGHT",
            least=1,
            most=1000,
            meaning="Sessions that reconciliation asks PDI about at once; never over a quarter of `PDI_MAX_IN_FLIGHT`",
        ),
    ] = 8
    patience: Annotated[
        float,
        Variable(
            name="RECONCILE_PATIENCE_SECONDS",
            least=0.1,
            most=3600,
            meaning="How long PDI may take no questions before the run ends; the next one goes on from there",
        ),
    ] = 60.0
