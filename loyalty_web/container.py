"""What the service is made of. Beside the command line and `translated_settings`, nothing else here names adapters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Dependency, Singleton

from loyalty_adapters.memory.allowances import MemoryAllowances
from loyalty_adapters.observability import MetricsRegistry, Telemetry, Tracing, tracing
from loyalty_adapters.pdi import PdiClient
from loyalty_adapters.postgres.answer_records import PostgresAnswerRecords
from loyalty_adapters.postgres.api_keys import PostgresApiKeys
from loyalty_adapters.postgres.connections import Connections
from loyalty_adapters.postgres.delivery_queue import PostgresDeliveryQueue
from loyalty_adapters.postgres.identifiers import PostgresIdentifierSource
from loyalty_adapters.postgres.job_ledger import PostgresJobLedger
from loyalty_adapters.postgres.ping import ping
from loyalty_adapters.postgres.programs import PostgresProgramArchive
from loyalty_adapters.postgres.reconciliation import PostgresReconciliation
from loyalty_adapters.postgres.row_addresses import RowAddresses
from loyalty_adapters.postgres.session_archive import PostgresSessionArchive
from loyalty_adapters.postgres.session_directory import PostgresSessionDirectory
from loyalty_adapters.postgres.session_sweep import PostgresSessionSweep
from loyalty_adapters.postgres.sessions import PostgresSessions
from loyalty_adapters.redis.allowances import RedisAllowances
from loyalty_adapters.redis.answer_cache import RedisAnswerCache
from loyalty_adapters.redis.shared_connection import SharedConnection
from loyalty_adapters.system_clock import SystemClock
from loyalty_core.ports.clock import Clock
from loyalty_core.ports.delivery_queue import DeliveryQueue
from loyalty_core.ports.observer import Observer
from loyalty_core.ports.world import Ports
from loyalty_core.use_cases.archive_sessions import ArchiveSessions
from loyalty_core.use_cases.clear_answers import ClearAnswers
from loyalty_core.use_cases.expire_sessions import ExpireSessions
from loyalty_core.use_cases.flights import Flights
from loyalty_core.use_cases.jobs import Job, JobName
from loyalty_core.use_cases.keep_schedule import KeepSchedule
from loyalty_core.use_cases.list_sessions import ListSessions
from loyalty_core.use_cases.loyalty import Loyalty
from loyalty_core.use_cases.reconcile_sessions import ReconcileSessions
from loyalty_core.use_cases.run_job import RunJob, RunPolicy
from loyalty_web.admission import Admission, Aside, ClockAside
from loyalty_web.api_keys import Peppers
from loyalty_web.health import CheckStatus, Degraded, HealthMonitor, HostView
from loyalty_web.job_settings import JobSettings
from loyalty_web.keyring import Keyring
from loyalty_web.origins import Origins, parse_networks
from loyalty_web.program_watch import ProgramWatch
from loyalty_web.programs import ProgramInForce, program_at_start
from loyalty_web.rate_limits import LimitPolicy, RateLimits
from loyalty_web.settings import Settings
from loyalty_web.tally import Tally
from loyalty_web.translated_settings import pdi_settings, policy, postgres_settings, telemetry_form
from loyalty_web.vitals import QueueWatch, watched

_LOOKS_PER_COUNT: Final = 5
"""Looks at the dependencies for each count of the queue, which costs the database more."""


def _limits(settings: Settings) -> LimitPolicy:
    return settings.limits.policy()


def _admission(settings: Settings, tally: Tally, telemetry: Telemetry) -> Admission:
    def shed(why: str, client: str) -> None:
        telemetry.metrics.calls_shed[why,].inc()
        tally.count(f"client {client}: {why}")

    return Admission(settings.load.policy(), shed)


def _around_pdi(traces: Tracing) -> Callable[[str], AbstractContextManager[object]]:
    """A call to PDI has its span, and is not worked on meanwhile."""
    return lambda endpoint: Aside(traces.pdi(endpoint))


def _flights() -> Flights:
    return Flights(around_waits=Aside)


def _origins(settings: Settings) -> Origins:
    return Origins(parse_networks(settings.proxies.trusted), settings.proxies.header)


def _health(
    settings: Settings,
    connections: Connections,
    redis_connection: SharedConnection,
    allowances: RedisAllowances,
    host: PdiClient,
    admission: Admission,
    telemetry: Telemetry,
) -> HealthMonitor:
    pools = telemetry.database({"intake": connections.intake.stats, "outcome": connections.outcome.stats})

    def view() -> HostView:
        seen = host.health()
        telemetry.host.circuit_is("pdi", seen.circuit)
        telemetry.host.circuit_is("pdi_token", seen.token_circuit)
        telemetry.host.in_flight(seen.in_flight)
        return HostView(seen.circuit, seen.token_circuit, seen.latency)

    def looked(statuses: Mapping[str, CheckStatus]) -> None:
        pools.look()
        telemetry.load_is(admission.at_work, admission.waiting)
        telemetry.dependencies_seen(statuses)

    async def redis() -> None:
        await redis_connection.ping()
        if allowances.is_away:  # it answers, but not as fast as limits need it: each process counts by itself
            allowances.look_again()
            raise Degraded

    return HealthMonitor(
        database=lambda: ping(connections),
        redis=redis,
        host=view,
        interval=settings.watch.health_interval,
        strict=settings.watch.strict,
        on_look=looked,
    )


def _queue_watch(settings: Settings, queue: DeliveryQueue, clock: Clock, telemetry: Telemetry) -> QueueWatch:
    every = _LOOKS_PER_COUNT * settings.watch.health_interval
    return QueueWatch(queue, clock, telemetry.queue.depth_is, every)


def _run_policy(settings: Settings) -> RunPolicy:
    return settings.jobs.policy()


def database_jobs(connections: Connections, observer: Observer, settings: JobSettings) -> dict[JobName, Job]:
    """The jobs that need nothing but the database."""
    jobs: tuple[Job, ...] = (
        ExpireSessions(PostgresSessionSweep(connections), observer),
        ArchiveSessions(PostgresSessionArchive(connections), timedelta(days=settings.archive_after_days)),
        ClearAnswers(PostgresAnswerRecords(connections)),
    )
    return {job.name: job for job in jobs}


def _jobs(
    connections: Connections, observer: Observer, settings: Settings, reconcile: ReconcileSessions
) -> dict[JobName, Job]:
    return {**database_jobs(connections, observer, settings.jobs), reconcile.name: reconcile}


def _reconciling(loyalty: Loyalty, work: PostgresReconciliation) -> ReconcileSessions:
    return loyalty.reconciling(work)


class Container(DeclarativeContainer):
    """One process of the service. Everything in it is made once, when it is first asked for."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)

    clock = Singleton(SystemClock)
    form = Singleton(telemetry_form, settings)
    traces: Singleton[Tracing] = Singleton(tracing, form)
    telemetry = Singleton(Telemetry, form, traces, Singleton(MetricsRegistry.from_environment))
    observer = telemetry.provided.observer

    connections = Singleton(Connections, Singleton(postgres_settings, settings), traces.provided.statement)
    row_addresses = Singleton(RowAddresses)
    sessions = Singleton(PostgresSessions, connections, row_addresses)
    delivery_queue = Singleton(PostgresDeliveryQueue, connections, row_addresses)
    identifiers = Singleton(PostgresIdentifierSource, connections)
    api_keys = Singleton(PostgresApiKeys, connections)
    program_archive = Singleton(PostgresProgramArchive, connections)
    redis = Singleton(SharedConnection, settings.provided.cache.url)
    answers = Singleton(
        RedisAnswerCache,
        redis,
        on_event=telemetry.provided.cache_asked,
        around=traces.provided.redis,
    )
    host = Singleton(
        PdiClient,
        Singleton(pdi_settings, settings),
        clock,
        headers=traces.provided.headers,
        around=Singleton(_around_pdi, traces),
        on_call=telemetry.provided.host_called,
        on_circuit=telemetry.provided.circuit_changed,
    )
    allowances = Singleton(
        RedisAllowances,
        redis,
        around=traces.provided.redis,
        on_change=telemetry.provided.limits_shared,
    )
    tally = Singleton(Tally, clock)
    admission = Singleton(_admission, settings, tally, telemetry)
    health = Singleton(_health, settings, connections, redis, allowances, host, admission, telemetry)
    queue_watch = Singleton(_queue_watch, settings, delivery_queue, clock, telemetry)

    peppers = Singleton(Peppers, settings.provided.keys.pepper, settings.provided.keys.previous_pepper)
    keyring = Singleton(Keyring, api_keys, peppers, clock)
    origins = Singleton(_origins, settings)
    rate_limits = Singleton(
        RateLimits,
        allowances,
        Singleton(MemoryAllowances, clock),
        Singleton(_limits, settings),
        clock,
        tally,
        on_refusal=telemetry.provided.metrics.rate_limit_hit,
        on_alone=telemetry.provided.limit_judged_alone,
    )
    program = Singleton(program_at_start, settings.provided.service.program)
    programs = Singleton(ProgramInForce, program, program_archive, clock)
    program_watch = Singleton(ProgramWatch, settings.provided.service.program, programs)
    ports = Singleton(
        Ports,
        store=sessions,
        queue=delivery_queue,
        host=host,
        cache=answers,
        clock=Singleton(ClockAside, clock),
        identifiers=identifiers,
        observer=observer,
        programs=programs,
        archive=program_archive,
    )
    loyalty = Singleton(Loyalty, ports, Singleton(policy, settings), Singleton(_flights))
    flights = loyalty.provided.flights
    deliver_pending = loyalty.provided.deliver
    reconcile_sessions = Singleton(_reconciling, loyalty, Singleton(PostgresReconciliation, connections, row_addresses))
    job_ledger = Singleton(PostgresJobLedger, connections)
    run_policy = Singleton(_run_policy, settings)
    run_job = Singleton(RunJob, job_ledger, clock, observer, run_policy)
    keep_schedule = Singleton(KeepSchedule, job_ledger, run_job, form.provided.instance, run_policy)
    jobs = Singleton(_jobs, connections, observer, settings, reconcile_sessions)
    list_sessions = Singleton(ListSessions, Singleton(PostgresSessionDirectory, connections))


@asynccontextmanager
async def running(container: Container) -> AsyncIterator[None]:
    """Everything with connections is open for as long as the block runs.

    At its end what is still under way is waited for first: a finalize whose POS has hung up still needs all of it.
    """
    for make in (container.loyalty, container.list_sessions, container.jobs):
        make()  # all of it now: a slip in the wiring shows at the start, not at the first call
    watch = container.settings().watch
    async with AsyncExitStack() as open_until_the_end:
        open_until_the_end.push_async_callback(asyncio.to_thread, container.traces().close)
        if watch.metrics_port:
            address = container.settings().address
            open_until_the_end.enter_context(container.telemetry().registry.serve(address, watch.metrics_port))
        await open_until_the_end.enter_async_context(container.connections())
        open_until_the_end.push_async_callback(container.redis().close)
        await open_until_the_end.enter_async_context(container.host())
        await open_until_the_end.enter_async_context(watched(container.health(), container.queue_watch()))
        await open_until_the_end.enter_async_context(container.programs().kept())
        await open_until_the_end.enter_async_context(container.program_watch().watching())
        await open_until_the_end.enter_async_context(container.keyring().noting_uses())
        open_until_the_end.push_async_callback(container.flights().drain)
        yield
