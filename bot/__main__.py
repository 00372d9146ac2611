"""The command line: ``firstresponder --help`` is the map."""

import json
import sys
from pathlib import Path
from typing import Annotated

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
def doctor() -> None:
    """Check configuration, journal, Redis and what each process would be missing."""
    from bot.doctor import examine

    failed = 0
    for finding in examine():
        typer.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.says}")
        failed += not finding.ok
    raise typer.Exit(1 if failed else 0)


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
        item, blob = evidence.find(tx, evidence_id)
    typer.echo(evidence_text(item, blob, whole=whole))


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
    from bot.surfaces.timeline import line

    settings = read(Settings)
    _checked(settings.journal)
    wanted = IncidentId(incident_id)
    with Journal(open_engine(settings.journal)).read() as tx:
        if as_json:
            typer.echo(json.dumps(document(tx, wanted), ensure_ascii=False))
            return
        typer.echo(plain(card(tx, wanted, configuration.people(settings.config))))
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
