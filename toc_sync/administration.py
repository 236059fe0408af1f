"""What an administrator does before anything is sent: create the tables, add samples, accept a function, check it all.

Each works on a database that the runtime itself would still refuse. Raises SettingsError with one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from toc_sync import installation, ledger_time, outbox, samples, signals, wording_alerts, wording_gate
from toc_sync.anchor import TOLERANCE_S
from toc_sync.channels import Message, open_channels
from toc_sync.classify import classify
from toc_sync.database import current_time, queueing_time, reading, writing
from toc_sync.model import (
    DatabaseUnavailable,
    GateCause,
    GateState,
    NoReply,
    Outcome,
    Reply,
    SettingsError,
    Unwitnessed,
)
from toc_sync.opening import naming_the_database
from toc_sync.patience import PERSON, SET_UP
from toc_sync.runtime import Runtime, connect
from toc_sync.settings import Settings
from toc_sync.views import Proof


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found about one thing, as a sentence."""

    subject: str
    good: bool
    sentence: str


def init_database(settings: Settings) -> bool:
    """Creates our own tables, and the billing tables where the database has none; returns whether it made those."""
    with naming_the_database(), writing(connect(settings).engine, SET_UP) as conn:
        return installation.prepare(conn, may_create_billing=True)


def seed(settings: Settings, *, invoices: int) -> None:
    """Adds sample data; refuses a database that is, or may become, a real one, and one that holds invoices."""
    if not settings.uses_sandbox:
        raise SettingsError("TOC_FUNCTION_URL: sample invoices belong to the sandbox only, but a function is set.")
    runtime = connect(settings)
    with naming_the_database(), writing(runtime.engine, SET_UP) as conn:
        installation.prepare(conn, may_create_billing=True)
        if refusal := installation.why_no_samples(conn):
            raise SettingsError(refusal)
        runtime.function.rehearse(samples.seed(conn, now=current_time(conn), invoices=invoices))
        outbox.forget_place(conn)


def accept_function(settings: Settings, *, actor: str) -> str:
    """Remembers the host of the function that is set now, in place of the one before, and returns it."""
    runtime = connect(settings)
    if runtime.function.url is None:
        raise SettingsError("TOC_FUNCTION_URL: no function is set, so there is none to accept.")
    host = installation.host_of(runtime.function.url)
    with naming_the_database(), writing(runtime.engine, SET_UP) as conn:
        installation.prepare(conn, may_create_billing=False)
    with naming_the_database(), writing(runtime.engine, PERSON) as conn:
        now = current_time(conn)
        installation.set_marker(conn, installation.FUNCTION_HOST, host)
        installation.check_environment(conn, function_url=runtime.function.url)
        outbox.log_action(
            conn,
            actor=actor,
            action="accept_function",
            invoice_id=None,
            reason=None,
            done=True,
            result=f"The function at {host} is accepted.",
            now=now,
        )
    return host


def check(settings: Settings, *, actor: str) -> Iterator[Finding]:
    """Looks at the database, the function and its key, and can issue nothing; yields what it finds.

    Where the gate had closed by itself and all is well now, it is opened; nothing else changes.
    """
    runtime = connect(settings)
    kind = "PostgreSQL" if settings.uses_postgresql else "SQLite"
    wrong = _wrong_with_database(runtime)
    yield Finding(subject="database", good=not wrong, sentence=wrong or f"{kind} answers, and all tables are there.")
    if not wrong:
        yield _check_signals(runtime) if settings.uses_postgresql else _check_clock(runtime)
    findings = list(_check_function(runtime))
    yield from findings
    if not wrong:
        yield _check_witness(runtime)
        yield _check_gate(runtime, works=all(finding.good for finding in findings), actor=actor)


def test_alerts(settings: Settings) -> Iterator[Finding]:
    """Sends a test message on every channel; yields whether each accepted it. Raises SettingsError."""
    if not settings.alert_addresses:
        yield Finding(subject="channels", good=False, sentence="TOC_SYNC_ALERT_URLS names none: nobody would be told.")
    message = Message(title=f"[{settings.label}] {wording_alerts.TEST_TITLE}", body=wording_alerts.TEST_MESSAGE)
    for channel in open_channels(settings.alert_addresses):
        error = channel.send(message)
        sentence = f"The test message was not accepted ({error})." if error else "The test message was accepted."
        yield Finding(subject=channel.name, good=error is None, sentence=sentence)


def verify(settings: Settings) -> tuple[Proof, ...]:
    """Proves the invariants on a live database and changes nothing. Raises SettingsError where it cannot be read."""
    runtime = connect(settings)
    if wrong := _wrong_with_database(runtime):
        raise SettingsError(wrong)
    return runtime.prove()


def _wrong_with_database(runtime: Runtime) -> str | None:
    try:
        with naming_the_database(), reading(runtime.engine) as conn:
            if not installation.is_migrated(conn):
                return "Our own tables are missing or of another version. Run: python -m toc_sync init-db"
            installation.check_billing_tables(conn)
            return installation.find_mix_up(conn, function_url=runtime.function.url)
    except SettingsError as error:
        return str(error)


def _check_signals(runtime: Runtime) -> Finding:
    try:
        heard = signals.get_through(runtime.engine)
    except DatabaseUnavailable as error:
        return Finding(subject="signals", good=False, sentence=str(error))
    lost = (
        "Lost on the way (a transaction pooler?): workers look at the queue every second instead,"
        " so an invoice may leave up to a second later."
    )
    return Finding(subject="signals", good=True, sentence="They reach every worker at once." if heard else lost)


def _check_clock(runtime: Runtime) -> Finding:
    with reading(runtime.engine) as conn:
        ahead_s = ledger_time.ahead_s(conn)
    good = abs(ahead_s) <= TOLERANCE_S
    return Finding(subject="clock", good=good, sentence=wording_gate.clock_finding(ahead_s, agrees=good))


def _check_witness(runtime: Runtime) -> Finding:
    """Says whether what is sent from here can be written down outside the database; nothing leaves otherwise."""
    try:
        runtime.watch.try_out()
    except Unwitnessed as error:
        return Finding(subject="witness", good=False, sentence=str(error))
    return Finding(subject="witness", good=True, sentence="What is sent is written down outside the database too.")


def _check_gate(runtime: Runtime, *, works: bool, actor: str) -> Finding:
    if works:
        with writing(runtime.engine, PERSON) as conn:
            if outbox.open_after_check(conn, actor=actor, now=queueing_time(conn)):
                return Finding(subject="gate", good=True, sentence="It had closed by itself and is open again.")
    gate = runtime.sending().gate
    if gate.is_open:
        return Finding(subject="gate", good=True, sentence="Invoices may leave.")
    stopped = wording_gate.gate_state(gate.state, gate.since, gate.changed_by)
    # A pause is somebody's wish, not a fault.
    is_fault = gate.state is GateState.CLOSED or gate.cause is GateCause.DATABASE
    way_on = wording_gate.WAY_ON if gate.cause is GateCause.DATABASE else ""
    return Finding(subject="gate", good=not is_fault, sentence=f"{stopped} {gate.reason or ''} {way_on}".strip())


def _check_function(runtime: Runtime) -> Iterator[Finding]:
    if runtime.function.url is None:
        yield Finding(subject="function", good=True, sentence="The sandbox takes its place; nothing is legal here.")
        yield Finding(subject="key", good=True, sentence="The sandbox needs none.")
        return
    host, answer = installation.host_of(runtime.function.url), runtime.function.probe()
    if isinstance(answer, NoReply):
        yield Finding(subject="function", good=False, sentence=f"{answer.error} ({host}).")
        yield Finding(subject="key", good=False, sentence="Unknown: nobody answered.")
    elif answer.http_status in (401, 403):
        yield Finding(subject="function", good=True, sentence=f"{host} answers.")
        yield Finding(subject="key", good=False, sentence=f"TOC_FUNCTION_KEY is refused: {_said(runtime, answer)}.")
    else:
        missing = _is_missing(runtime, answer)
        sentence = f"{host} has no such function, or it does not start" if missing else f"{host} answers"
        yield Finding(subject="function", good=not missing, sentence=f"{sentence} (HTTP {answer.http_status}).")
        yield Finding(subject="key", good=True, sentence="It is not refused.")


def _is_missing(runtime: Runtime, answer: Reply) -> bool:
    """Tells whether the platform answers in the function's place; what the function itself says to a GET is all one."""
    if "x-deno-execution-id" in answer.headers or answer.http_status == 405:
        return False
    verdict = classify(answer, runtime.refusals)
    return verdict.outcome in (Outcome.FAILED, Outcome.UNDELIVERED) or answer.http_status in (404, 502, 503, 504)


def _said(runtime: Runtime, answer: Reply) -> str:
    return (classify(answer, runtime.refusals).error or f"HTTP {answer.http_status}").rstrip(".")
