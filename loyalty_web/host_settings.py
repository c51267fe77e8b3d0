"""PDI: where it is, how long it may take, and how what it did not take is tried again."""

from typing import Annotated

from loyalty_web.variables import Section, Variable


class HostSettings(Section, frozen=True, kw_only=True):
    """PDI: where it is, who we are to it, and when we stop asking."""

    url: Annotated[str, Variable(name="PDI_API_URL", meaning="PDI's address; https outside development and test")]
    client_id: Annotated[str, Variable(name="PDI_CLIENT_ID", secret=True, meaning="OAuth2 client id at PDI")]
    client_secret: Annotated[
        str, Variable(name="PDI_CLIENT_SECRET", secret=True, meaning="OAuth2 client secret at PDI")
    ]
    token_url: Annotated[
        str, Variable(name="PDI_TOKEN_URL", meaning="Where tokens are fetched; `{PDI_API_URL}/oauth/token` if not set")
    ] = ""
    max_in_flight: Annotated[
        int, Variable(name="PDI_MAX_IN_FLIGHT", least=1, most=10_000, meaning="Calls of a process at PDI at once")
    ] = 128
    failures_in_a_row: Annotated[
        int, Variable(name="PDI_BREAKER_FAILURES", least=1, most=1000, meaning="Failures in a row that open it")
    ] = 5
    window: Annotated[
        float,
        Variable(name="PDI_BREAKER_WINDOW_SECONDS", least=0.1, most=600, meaning="Time over which calls are judged"),
    ] = 10.0
    window_calls: Annotated[
        int, Variable(name="PDI_BREAKER_WINDOW_CALLS", least=1, most=10_000, meaning="Fewest calls that are judged")
    ] = 10
    window_share: Annotated[
        float,
        Variable(
            name="PDI_BREAKER_WINDOW_SHARE",
            least=0.01,
            most=1,
            meaning="Share of failed or slow calls in that time that opens the breaker",
        ),
    ] = 0.5
    open_for: Annotated[
        float,
        Variable(name="PDI_BREAKER_OPEN_SECONDS", least=0.05, most=600, meaning="Time to the first probe; doubles"),
    ] = 10.0
    open_cap: Annotated[
        float, Variable(name="PDI_BREAKER_OPEN_CAP_SECONDS", least=0.05, most=3600, meaning="Longest time to a probe")
    ] = 30.0


class BudgetSettings(Section, frozen=True, kw_only=True):
    """How long each call may spend at PDI, token refresh and repeat included."""

    identify: Annotated[
        float, Variable(name="PDI_IDENTIFY_SECONDS", least=0.05, most=60, meaning="Time of `/identify` at PDI")
    ] = 5.0
    calculate: Annotated[
        float, Variable(name="PDI_CALCULATE_SECONDS", least=0.05, most=60, meaning="Time of `/calculateRewards` at PDI")
    ] = 8.0
    finalize: Annotated[
        float, Variable(name="PDI_FINALIZE_SECONDS", least=0.05, most=60, meaning="Time of `/finalize` at PDI")
    ] = 10.0
    give_back: Annotated[
        float, Variable(name="PDI_RETURN_SECONDS", least=0.05, most=60, meaning="Time of `/return` at PDI")
    ] = 10.0
    status: Annotated[
        float, Variable(name="PDI_STATUS_SECONDS", least=0.05, most=60, meaning="Time of `/getSessionStatus` at PDI")
    ] = 3.0
    slack: Annotated[
        float, Variable(name="ANSWER_SLACK_SECONDS", least=0.05, most=10, meaning="What our answer may take beyond it")
    ] = 0.5


class QueueSettings(Section, frozen=True, kw_only=True):
    """How what could not be delivered is tried again."""

    backoff_base: Annotated[
        float, Variable(name="QUEUE_BACKOFF_SECONDS", least=0.01, most=600, meaning="First pause between tries")
    ] = 1.0
    backoff_cap: Annotated[
        float, Variable(name="QUEUE_BACKOFF_CAP_SECONDS", least=0.01, most=3600, meaning="Longest pause between tries")
    ] = 45.0
    park_after_hours: Annotated[
        float,
        Variable(
            name="QUEUE_PARK_HOURS",
            least=0.0001,
            most=8760,
            meaning="How long an outcome may stay unknown before an operator is asked",
        ),
    ] = 24.0
    largest_round: Annotated[
        int, Variable(name="QUEUE_ROUND", least=1, most=1000, meaning="Most deliveries of a worker under way at once")
    ] = 64
    probe_interval: Annotated[
        float, Variable(name="QUEUE_PROBE_SECONDS", least=0.01, most=600, meaning="Pause between tries while PDI fails")
    ] = 1.0
