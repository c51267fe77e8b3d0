"""What the service is: where it runs, how it counts, what it logs, what keys are judged with."""

from enum import StrEnum
from typing import Annotated

from loyalty_core.use_cases.pricing import Authority
from loyalty_web.variables import Section, Variable


class Environment(StrEnum):
    """Where this runs. Outside production, PDI may be spoken to without TLS."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class LogLevel(StrEnum):
    """The least important log line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class CustomerIdForm(StrEnum):
    """How a customer's id appears in logs. It is often a phone number."""

    PLAIN = "plain"
    HASH = "hash"


class ServiceSettings(Section, frozen=True, kw_only=True):
    """What the service is and how it counts."""

    environment: Annotated[
        Environment,
        Variable(name="APP_ENV", also="NODE_ENV", meaning="`development`, `test` or `production`"),
    ] = Environment.PRODUCTION
    session_ttl_hours: Annotated[
        float, Variable(name="SESSION_TTL_HOURS", least=0.001, most=8760, meaning="How long a session may be used")
    ] = 24.0
    program: Annotated[
        str, Variable(name="REWARD_PROGRAM", meaning="Path of a TOML reward program; without one, the built-in program")
    ] = ""
    authority: Annotated[
        Authority, Variable(name="REWARDS_AUTHORITY", meaning="Whose figure of a quote counts: `pdi` or `local`")
    ] = Authority.HOST


class LogSettings(Section, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[LogLevel, Variable(name="LOG_LEVEL", meaning="`debug`, `info`, `warn` or `error`")] = LogLevel.INFO
    customer_id: Annotated[
        CustomerIdForm,
        Variable(name="LOG_CUSTOMER_ID", meaning="`plain`, or `hash` where customer ids are phone numbers"),
    ] = CustomerIdForm.PLAIN


class KeySettings(Section, frozen=True, kw_only=True):
    """What API keys are judged with."""

    pepper: Annotated[
        str,
        Variable(
            name="API_KEY_PEPPER",
            secret=True,
            at_least_characters=32,
            meaning="Secret that stored API keys depend on, 32 characters or more",
        ),
    ]
    previous_pepper: Annotated[
        str | None,
        Variable(
            name="API_KEY_PEPPER_PREVIOUS",
            secret=True,
            at_least_characters=32,
            meaning="The pepper before it, while it is going out of use",
        ),
    ] = None
