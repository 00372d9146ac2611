"""Take a column out of a table again. Tier 3: never run by the bot, only written out for a person."""

from collections.abc import Sequence

from actions.action import Condition, Parameters, Tier, Undo, UndoKind, Unfit
from actions.parameters import only, text
from actions.ports import Deployment, LockSet, Mode
from actions.steps import Step
from agents.incident.errors import Refused
from agents.incident.finding import Finding

_SAFE = {ord("`"): "'", ord("“"): '"', ord("”"): '"', ord("["): "(", ord("]"): ")"}
MOST = 120


def _name(text_: str) -> str:
    """Somebody's own words as one name: it stands between backticks, where these would end it."""
    said = " ".join(text_.translate(_SAFE).split())
    return said if len(said) <= MOST else said[: MOST - 1] + "…"


class DropColumn:
    """Destroys data for good, so it has words and no steps."""

    name = "drop_column"
    tier = Tier.NEVER_RUN
    undo_kind = UndoKind.IRREVERSIBLE

    def fit(self, finding: Finding) -> Parameters | Unfit:
        """The service whose migration raised the suspicion."""
        if finding.change is None:
            return Unfit(reason="no migration is recorded that could be reverted")
        return {
            "service": f"{finding.environment}/{finding.service}",
            "migration": _name(finding.change.note or finding.change.id),
        }

    def parse(self, parameters: Parameters) -> Parameters:
        """``service`` and ``migration``, both text."""
        only(parameters, {"service", "migration"}, self.name)
        return {
            "service": text(parameters, "service", self.name),
            "migration": text(parameters, "migration", self.name),
        }

    def effect(self, parameters: Parameters) -> str:
        """One sentence."""
        return f"The column that migration `{parameters['migration']}` added is dropped, with all it holds"

    def undo_says(self, parameters: Parameters) -> str:
        """There is none."""
        return "impossible: what the column held is gone"

    def requires(self, parameters: Parameters) -> tuple[str, ...]:
        """In words."""
        return ("a backup from after the migration exists", "no running revision reads or writes the column")

    def lock_set(self, parameters: Parameters) -> LockSet:
        """Never taken."""
        return {f"svc/{parameters['service']}": Mode.EXCLUSIVE}

    def check(self, parameters: Parameters, seen: Deployment) -> Sequence[Condition]:
        """Not checked by a machine."""
        return (Condition(text="a person carries this out, never the bot", holds=False),)

    def steps(self, parameters: Parameters, seen: Deployment) -> tuple[tuple[Step, Undo], ...]:
        """There are none."""
        raise Refused(f"{self.name} is Tier 3 and is never run")

    def runbook(self, parameters: Parameters) -> tuple[str, ...]:
        """What a person would do."""
        return (
            f"Read what migration `{parameters['migration']}` of `{parameters['service']}` added.",
            "Make sure that no running revision reads or writes the column; roll those back first.",
            "Take a backup of the table and check that it can be read.",
            "Write the reverse migration, have a second person review it, and run it outside peak hours.",
            "Reload the schema cache of every API in front of the database, then check the edge.",
        )
