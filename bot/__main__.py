"""The command line: ``firstresponder --help`` is the map."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.incident.errors import ResponderError

app = typer.Typer(
    name="firstresponder",
    help="The incident responder that shows its evidence, asks before it acts and checks that the fix worked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
work = typer.Typer(help="Serve one queue.", no_args_is_help=True)
evidence_app = typer.Typer(help="Look at stored evidence.", no_args_is_help=True)
incident_app = typer.Typer(help="Look at incidents.", no_args_is_help=True)
app.add_typer(work, name="work")
app.add_typer(evidence_app, name="evidence")
app.add_typer(incident_app, name="incident")
inbox_app = typer.Typer(help="Deliveries that nobody could read.", invoke_without_command=True)
app.add_typer(inbox_app, name="inbox")


@app.command()
def demo(
    fault: Annotated[
        str,
        typer.Option(help="pool-leak, hung-replica, stale-schema, surge, self-clearing, or all of them."),
    ] = "pool-leak",
    yes: Annotated[bool, typer.Option("--yes", help="Approve as the demo's person.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End after the incident(s).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line for each incident.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's state and logs in this folder.")] = None,
    seed: Annotated[int, typer.Option(help="Vary load and replicas.")] = 0,
    rate: Annotated[float, typer.Option(help="Requests a second of ordinary load.")] = 16,
    prometheus: Annotated[
        bool, typer.Option(help="Use Prometheus and Alertmanager if they are installed; else /metrics directly.")
    ] = True,
) -> None:
    """Break a small real system and watch: alert, evidence, finding, question, fix, verification."""
    from bot import demo as demonstration

    raise typer.Exit(
        demonstration.run(
            demonstration.Wish(
                fault=fault,
                yes=yes,
                once=once,
                as_json=as_json,
                keep=keep,
                seed=seed,
                rate=rate,
                prometheus=prometheus,
            )
        )
    )


@app.command()
def up(
    state: Annotated[Path, typer.Option(help="Folder for the journal, Redis and logs.")] = Path("var"),
) -> None:
    """Run everything on this machine: Redis, receiver, triage worker, action worker, clock."""
    import os

    # The process that only watches the others need not carry the command line.
    os.execv(sys.executable, [sys.executable, "-m", "bot.up", str(state)])  # noqa: S606  # this very interpreter


@app.command()
def serve() -> None:
    """Listen for webhooks, change records and spans."""
    from bot import run

    run.receiver()


@work.command("triage")
def work_triage() -> None:
    """Gather evidence, diagnose, verify. Holds read-only credentials."""
    from bot import run

    run.triage()


@work.command("actions")
def work_actions() -> None:
    """Carry out approved actions. The only process with write credentials."""
    from bot import run

    run.actions()


@app.command()
def clock() -> None:
    """Drive deadlines, verification windows and the reconciler."""
    from bot import run

    run.clock()


@app.command()
def console() -> None:
    """Watch incidents on this terminal and answer their questions."""
    from bot.settings import ConsoleSettings, read
    from bot.wiring import console as wiring

    settings = read(ConsoleSettings)
    _checked(settings.journal)
    parts = wiring.open_parts(settings)
    if sys.stdin.isatty() and sys.stdout.isatty():
        wiring.watch_live(parts, wiring.account(settings), lambda: False)
        return
    from bot.processes import stop_on_signals

    wiring.watch_lines(parts, stop_on_signals())


@app.command()
def migrate() -> None:
    """Bring the journal to this version's tables."""
    from bot import run

    run.migrate()


@app.command()
def init(
    config: Annotated[Path, typer.Option(help="Configuration folder; begun from the project's own.")] = Path(
        "config"
    ),
    env_file: Annotated[Path, typer.Option(help="Settings file, written with mode 600.")] = Path("var/env"),
    state: Annotated[Path, typer.Option(help="Folder for the journal, Redis and logs.")] = Path("var"),
    slack: Annotated[bool, typer.Option("--slack", help="Use Slack.")] = False,
    telegram: Annotated[bool, typer.Option("--telegram", help="Use Telegram.")] = False,
    no_chat: Annotated[bool, typer.Option("--no-chat", help="Use the terminal alone.")] = False,
    slack_bot_token_file: Annotated[
        Path | None, typer.Option(help="File with the bot token; or FIRSTRESPONDER_SLACK__BOT_TOKEN.")
    ] = None,
    slack_app_token_file: Annotated[
        Path | None, typer.Option(help="File with the app token; or FIRSTRESPONDER_SLACK__APP_TOKEN.")
    ] = None,
    slack_signing_secret_file: Annotated[
        Path | None, typer.Option(help="File with the signing secret; or FIRSTRESPONDER_SLACK__SIGNING_SECRET.")
    ] = None,
    slack_channel: Annotated[str, typer.Option(help="Id of the channel for cards (C…).")] = "",
    slack_mode: Annotated[str, typer.Option(help="socket (default) or http.")] = "",
    slack_api_url: Annotated[str, typer.Option(help="Another address of Slack's API.")] = "",
    telegram_token_file: Annotated[
        Path | None, typer.Option(help="File with the bot's token; or FIRSTRESPONDER_TELEGRAM__TOKEN.")
    ] = None,
    telegram_chat: Annotated[str, typer.Option(help="Number of the chat for cards (-100…, or -100…/TOPIC).")] = "",
    telegram_api_url: Annotated[str, typer.Option(help="Another address of Telegram's API.")] = "",
    prometheus: Annotated[str, typer.Option(help="Address of Prometheus (or VictoriaMetrics, Thanos).")] = "",
    no_prometheus: Annotated[bool, typer.Option("--no-prometheus", help="There is none.")] = False,
    prometheus_environment: Annotated[str, typer.Option(help="The environment it watches (production).")] = "",
    prometheus_token_file: Annotated[Path | None, typer.Option(help="File with its read-only token.")] = None,
    alertmanager_source: Annotated[
        str, typer.Option(help="Name of the alert source (alertmanager); its token is made here.")
    ] = "",
    service: Annotated[list[str] | None, typer.Option(help="A first service; may be repeated.")] = None,
    person: Annotated[str, typer.Option(help="Short name of somebody for people.yaml.")] = "",
    person_name: Annotated[str, typer.Option(help="Their name.")] = "",
    person_role: Annotated[
        list[str] | None, typer.Option(help="viewer, responder, approver (default) or lead; may be repeated.")
    ] = None,
    slack_user: Annotated[str, typer.Option(help="Their Slack member ID (U…).")] = "",
    telegram_user: Annotated[str, typer.Option(help="Their Telegram account number.")] = "",
    console_user: Annotated[str, typer.Option(help="Their user name on the console's machine.")] = "",
    page_url: Annotated[str, typer.Option(help="What links to the incident page begin with.")] = "",
    host: Annotated[str, typer.Option(help="Where the receiver listens (127.0.0.1).")] = "",
    port: Annotated[int | None, typer.Option(help="Its port (8080).")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; fail with what is missing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite values that are there already.")] = False,
    skip_checks: Annotated[bool, typer.Option("--skip-checks", help="Believe every answer.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document of what was done.")] = False,
) -> None:
    """Set up: ask for what is needed, try each answer, write the configuration, name the next command.

    Secrets come from files, from the environment, or are typed unseen; none is an argument and none is shown.
    What is there already is kept.
    """
    from bot import init as setting_up
    from bot.setup.talk import Terminal
    from bot.setup.wish import Wish

    wish = Wish(
        config=config,
        env_file=env_file,
        state=state,
        slack=slack,
        telegram=telegram,
        no_chat=no_chat,
        slack_bot_token_file=slack_bot_token_file,
        slack_app_token_file=slack_app_token_file,
        slack_signing_secret_file=slack_signing_secret_file,
        slack_channel=slack_channel,
        slack_mode=slack_mode,
        slack_api_url=slack_api_url,
        telegram_token_file=telegram_token_file,
        telegram_chat=telegram_chat,
        telegram_api_url=telegram_api_url,
        prometheus=prometheus,
        no_prometheus=no_prometheus,
        prometheus_environment=prometheus_environment,
        prometheus_token_file=prometheus_token_file,
        alertmanager_source=alertmanager_source,
        services=tuple(service or ()),
        person=person,
        person_name=person_name,
        person_roles=tuple(person_role or ()),
        slack_user=slack_user,
        telegram_user=telegram_user,
        console_user=console_user,
        page_url=page_url,
        host=host,
        port=port,
        yes=yes,
        force=force,
        skip_checks=skip_checks,
        as_json=as_json,
    )
    talk = Terminal(aside=as_json)
    try:
        done = setting_up.run(wish, talk)
    except setting_up.NotYet as error:
        if as_json:
            typer.echo(json.dumps(error.document(), ensure_ascii=False))
            raise typer.Exit(2) from error
        raise
    if as_json:
        typer.echo(json.dumps(done, ensure_ascii=False))
    else:
        setting_up.tell(done, talk)
    raise typer.Exit(0 if done["ok"] else 1)


@app.command()
def doctor(
    chat: Annotated[bool, typer.Option("--chat", help='Post a "press me" card and wait for its press.')] = False,
    timeout: Annotated[float, typer.Option(min=1, help="With --chat: seconds to wait for the press.")] = 120,
    surface: Annotated[str, typer.Option(help="With --chat: slack or telegram alone.")] = "",
    state: Annotated[Path, typer.Option(help="The folder that `up` was given.")] = Path("var"),
) -> None:
    """Check configuration, journal, Redis and what each process would be missing; with --chat, the chats."""
    from bot.doctor import examine, try_chats
    from bot.setup.roundtrip import Waiting
    from bot.setup.talk import Progress

    failed = 0
    progress = Progress()
    for finding in (
        try_chats(surface, Waiting(timeout_s=timeout, progress=progress.show)) if chat else examine(state)
    ):
        progress.clear()
        typer.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.says}")
        failed += not finding.ok
    raise typer.Exit(1 if failed else 0)


@app.command()
def link(person: Annotated[str, typer.Argument(help="As named in config/people.yaml.")]) -> None:
    """Print a one-time code with which this person links a chat account."""
    from bot.settings import Settings, read
    from bot.setup.codes import make

    code = make(read(Settings), person, "link")
    typer.echo(code)
    typer.echo(
        f"{person} sends this once, within 10 minutes, to the bot in a private chat.\n"
        f"  Telegram: /link {code}\n"
        f"  Slack, as a direct message to the bot: link {code}",
        err=True,
    )


@app.command()
def login(person: Annotated[str, typer.Argument(help="As named in config/people.yaml.")]) -> None:
    """Print a one-time link that opens the incident page for this person."""
    from bot.settings import ReceiverSettings, read
    from bot.setup.codes import make

    settings = read(ReceiverSettings)
    typer.echo(f"{settings.page_url}/login/{make(settings, person, 'login')}")
    typer.echo(f"It opens the page as {person}, once, within 10 minutes.", err=True)


@app.command()
def logout(person: Annotated[str, typer.Argument(help="As named in config/people.yaml, or as it was.")]) -> None:
    """End every session of this person on the incident page, and the login links not used yet."""
    from bot.settings import Settings, read
    from bot.setup.codes import end_all

    typer.echo(f"{end_all(read(Settings), person)} session(s) of {person} ended")


@app.command()
def parse(
    file: Annotated[str, typer.Argument(help="A stored body, or - for standard input.")],
    source: Annotated[str, typer.Option(help="The system that sent it, or auto.")],
    header: Annotated[list[str] | None, typer.Option(help="'Name: value' as received; may be repeated.")] = None,
    mapping: Annotated[
        str, typer.Option(help="With --source generic: a mapping of config/mappings.yaml, as a dry run.")
    ] = "",
) -> None:
    """Print what one webhook body says; nothing is kept or sent."""
    from bot.receiver import parse_cli
    from bot.settings import Settings, read

    table = read(Settings).config / "mappings.yaml" if mapping else None
    found = parse_cli.run(file, source=source, headers=header or (), mapping=mapping, mappings=table)
    typer.echo(parse_cli.printed(found))


@inbox_app.callback()
def inbox(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Print the deliveries that nobody could read, oldest first, and why; never what they said."""
    if context.invoked_subcommand is not None:
        return
    from bot import inbox as box
    from bot.journal import unread

    with _journal() as journal, journal.read() as tx:
        found = unread.unreadable(tx)
    if as_json:
        typer.echo(json.dumps(box.document(found), ensure_ascii=False))
    elif found:
        typer.echo(box.table(found))
    else:
        typer.echo("no unreadable deliveries", err=True)


@inbox_app.command("read-again")
def inbox_read_again(
    ids: Annotated[list[str] | None, typer.Argument(help="IN_…, as firstresponder inbox lists them.")] = None,
    source: Annotated[str, typer.Option(help="All that is unreadable of this source.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that is unreadable.")] = False,
) -> None:
    """Have unreadable deliveries read once more, in the order they came, after what made them so was mended."""
    from bot import inbox as box

    with _journal() as journal:
        count = box.again(journal, ids=tuple(ids or ()), source=source, every=every)
    typer.echo(
        f"{count} delivery(ies) handed to the worker" if count else "no unreadable deliveries", err=not count
    )


@app.command()
def changes(
    hours: Annotated[int, typer.Option(min=1, help="How far back.")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Print the changes that name no service or no environment: they are kept, and held against nothing."""
    from datetime import timedelta

    from bot import inbox as box

    with _journal() as journal:
        found = box.unplaced(journal, timedelta(hours=hours))
    if as_json:
        typer.echo(json.dumps(box.changes_document(found), ensure_ascii=False))
    elif found:
        typer.echo(box.changes_table(found))
    else:
        typer.echo("no unplaced changes", err=True)


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="A recorded incident; tests/samples/incidents has some.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    model: Annotated[
        str, typer.Option(help="off: the engine alone; scripted:FILE; or a model as MODEL__NAME names one.")
    ] = "off",
    config: Annotated[
        Path | None, typer.Option(help="Take signatures and calibration from this folder, not from the project's.")
    ] = None,
) -> None:
    """Diagnose a recorded incident again, offline: the same bytes make the same finding."""
    from bot import replay as again
    from bot.recordings import reading

    recording = reading.read(folder)
    knowledge = again.knowledge_of(recording, config)
    if model == "off":
        done, said = again.replay(recording, knowledge), None
    else:
        done, said = _rethought(recording, knowledge, model, config)
    if as_json:
        typer.echo(json.dumps(again.document(done) | ({"model": said} if said else {}), ensure_ascii=False))
        return
    typer.echo(again.printed(done))
    if said is not None:
        typer.echo("\n".join(["", "Model", *(f"  {name}: {value}" for name, value in said.items())]))


def _rethought(
    recording: Any, knowledge: Any, model: str, config: Path | None
) -> tuple[Any, dict[str, Any] | None]:
    """A replay with a model beside the engine, and what became of that."""
    from bot import processes, rethink
    from bot import replay as again
    from bot.settings import TriageSettings, read
    from bot.wiring.thinking import thinking_of

    settings = read(TriageSettings).model.model_copy(update={"name": model})
    thinking = thinking_of(settings, config or processes.root() / "config")
    assert thinking is not None  # noqa: S101  # it has a name
    said: list[dict[str, Any]] = []
    think = rethink.thinker(recording, knowledge, thinking, lambda r: said.append(rethink.document(r)))
    return again.replay(recording, knowledge, think=think), said[-1] if said else None


@app.command()
def record(
    incident_id: Annotated[str, typer.Argument(help="INC_…")],
    folder: Annotated[Path, typer.Argument(help="A new folder to write.")],
) -> None:
    """Write an incident from the journal as a recording that can be replayed; secrets stop it."""
    from agents.incident.ids import IncidentId
    from bot import configuration
    from bot import record as recorder
    from bot.journal.journal import Journal, open_engine
    from bot.settings import Settings, read

    settings = read(Settings)
    _checked(settings.journal)
    with Journal(open_engine(settings.journal)).read() as tx:
        made = recorder.recording(tx, IncidentId(incident_id), configuration.services(settings.config))
    recorder.write(made, folder)
    typer.echo(f"{folder} holds {incident_id}; truth.yaml says what is known of its cause", err=True)


@evidence_app.command("show")
def evidence_show(
    evidence_id: Annotated[str, typer.Argument(help="ev_…, or the beginning of one.")],
    whole: Annotated[bool, typer.Option("--all", help="The whole body, however long.")] = False,
) -> None:
    """Print one piece of stored evidence."""
    from bot.journal import evidence
    from bot.journal.journal import Journal, open_engine
    from bot.settings import Settings, read
    from bot.show import evidence_text

    settings = read(Settings)
    _checked(settings.journal)
    with Journal(open_engine(settings.journal)).read() as tx:
        item, blob = evidence.find(tx, evidence_id, verified=False)
    typer.echo(evidence_text(item, blob, whole=whole))


@evidence_app.command("verify")
def evidence_verify(incident_id: Annotated[str, typer.Argument(help="INC_…")]) -> None:
    """Hold everything kept of one incident against its chain of hashes; 1 when something was changed."""
    from agents.incident.ids import IncidentId
    from bot.journal import chain, incidents
    from bot.journal.journal import Journal, open_engine
    from bot.settings import Settings, read
    from bot.show import chain_text

    settings = read(Settings)
    _checked(settings.journal)
    wanted = IncidentId(incident_id)
    with Journal(open_engine(settings.journal)).read() as tx:
        incidents.load(tx, wanted)
        verified = chain.verify(tx, wanted)
    typer.echo(chain_text(verified))
    raise typer.Exit(0 if verified.whole else 1)


@incident_app.command("show")
def incident_show(
    incident_id: Annotated[str, typer.Argument(help="INC_…")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Print one incident: finding, plan, run, verification, history."""
    from sqlalchemy import select

    from agents.incident.ids import IncidentId
    from bot import configuration
    from bot.journal import tables as t
    from bot.journal.journal import Journal, open_engine
    from bot.report import document
    from bot.settings import Settings, read
    from bot.show import incident_details
    from bot.surfaces.cards import card
    from bot.surfaces.console.render import plain
    from bot.surfaces.console.surface import whole
    from bot.surfaces.timeline import line

    settings = read(Settings)
    _checked(settings.journal)
    wanted = IncidentId(incident_id)
    with Journal(open_engine(settings.journal)).read() as tx:
        if as_json:
            typer.echo(json.dumps(document(tx, wanted), ensure_ascii=False))
            return
        typer.echo(plain(replace(whole(card(tx, wanted, configuration.people(settings.config))), key=wanted)))
        typer.echo("\n" + incident_details(tx, wanted) + "\n")
        for event in tx.all(select(t.events).where(t.events.c.incident_id == wanted).order_by(t.events.c.number)):
            typer.echo(line(event))


@incident_app.command("list")
def incident_list() -> None:
    """Print the newest incidents, newest first."""
    from bot.journal import incidents
    from bot.journal.journal import Journal, open_engine
    from bot.settings import Settings, read

    settings = read(Settings)
    _checked(settings.journal)
    with Journal(open_engine(settings.journal)).read() as tx:
        found = incidents.recent(tx)
    for i in found:
        typer.echo(f"{i.id}  {i.opened_at:%Y-%m-%d %H:%M:%S}  {i.state.value:<12} {i.severity.value:<9} {i.title}")
    if not found:
        typer.echo("no incidents", err=True)


@contextlib.contextmanager
def _journal() -> Iterator[Any]:
    """The journal of the settings; without a queue, so the clock rings what is written here."""
    from bot.journal.journal import Journal, open_engine
    from bot.settings import Settings, read

    settings = read(Settings)
    _checked(settings.journal)
    journal = Journal(open_engine(settings.journal))
    try:
        yield journal
    finally:
        journal.close()


def _checked(journal: str) -> None:
    from bot.journal.journal import check

    check(journal)


def main() -> None:
    """Run the command line; an error of ours is one line, not a traceback."""
    try:
        app()
    except ResponderError as error:
        typer.echo(f"firstresponder: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
