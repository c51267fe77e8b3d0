"""What an operator has set, in the terms of those it is for: the core, and each adapter."""

import os
import socket
import sys
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from loyalty_adapters.observability import LogForm, TelemetryForm
from loyalty_adapters.pdi import CircuitSettings, PdiSettings
from loyalty_adapters.postgres.settings import PostgresSettings
from loyalty_core.use_cases.budgets import Budgets
from loyalty_core.use_cases.delivery_pace import PacePolicy
from loyalty_core.use_cases.enquiries import EnquiryPolicy
from loyalty_core.use_cases.loyalty import Policy
from loyalty_core.use_cases.patience import SettlementPolicy
from loyalty_web.service_settings import CustomerIdForm, Environment
from loyalty_web.settings import Settings

_TILLS_FIRST: Final = 4
"""Reconciliation may have one in so many of a process's calls at PDI."""


def postgres_settings(settings: Settings) -> PostgresSettings:
    """What the database adapter is told."""
    database = settings.database
    return PostgresSettings(
        url=database.url,
        intake_connections=database.intake_connections,
        outcome_connections=database.outcome_connections,
        acquire_timeout=database.acquire_seconds,
        waiting=database.waiting,
    )


def pdi_settings(settings: Settings) -> PdiSettings:
    """What the PDI client is told."""
    host = settings.host
    circuit = CircuitSettings(
        failures_in_a_row=host.failures_in_a_row,
        window=host.window,
        window_calls=host.window_calls,
        window_share=host.window_share,
        open_for=host.open_for,
        open_cap=host.open_cap,
    )
    return PdiSettings(
        base_url=host.url,
        client_id=host.client_id,
        client_secret=host.client_secret,
        token_url=host.token_url,
        max_in_flight=host.max_in_flight,
        circuit=circuit,
        token_circuit=circuit,
    )


def log_form(settings: Settings) -> LogForm:
    """What lines are logged, and how."""
    hashed = settings.log.customer_id is CustomerIdForm.HASH
    return LogForm(
        level=settings.log.level.value,
        customer_id_key=settings.keys.pepper if hashed else None,
        readable=settings.service.environment is Environment.DEVELOPMENT and sys.stdout.isatty(),
    )


def policy(settings: Settings) -> Policy:
    """What the core is told."""
    budgets, queue = settings.budgets, settings.queue
    return Policy(
        authority=settings.service.authority,
        budgets=Budgets(
            identify=budgets.identify,
            calculate=budgets.calculate,
            finalize=budgets.finalize,
            give_back=budgets.give_back,
            status=budgets.status,
            slack=budgets.slack,
        ),
        settlement=SettlementPolicy(
            backoff_base=queue.backoff_base,
            backoff_cap=queue.backoff_cap,
            park_after=timedelta(hours=queue.park_after_hours),
        ),
        pace=PacePolicy(largest_round=queue.largest_round, probe_interval=queue.probe_interval),
        enquiries=EnquiryPolicy(
            in_flight=min(settings.reconcile.in_flight, max(1, settings.host.max_in_flight // _TILLS_FIRST)),
            patience=settings.reconcile.patience,
        ),
        session_ttl=timedelta(hours=settings.service.session_ttl_hours),
    )


def telemetry_form(settings: Settings) -> TelemetryForm:
    """What this process calls itself in traces, and where they go."""
    watch = settings.watch
    return TelemetryForm(
        version=version("loyalty-service"),
        service=watch.service_name,
        instance=f"{socket.gethostname()}:{os.getpid()}",
        collector=watch.collector,
        ratio=watch.trace_ratio,
    )
