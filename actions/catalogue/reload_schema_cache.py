"""Have an API read its database's schema again. Tier 1: idempotent, changes nothing that is stored."""

from collections.abc import Sequence

from actions.action import Condition, Parameters, Tier, Undo, UndoKind, Unfit
from actions.parameters import only, text
from actions.ports import Deployment, LockSet, Mode
from actions.steps import ReloadSchema, Step
from agents.incident.finding import Finding


class ReloadSchemaCache:
    """What PostgREST does on NOTIFY pgrst, 'reload schema'."""

    name = "reload_schema_cache"
    tier = Tier.SAFE
    undo_kind = UndoKind.NOTHING

    def fit(self, finding: Finding) -> Parameters | Unfit:
        """The convicted service."""
        if not finding.service:
            return Unfit(reason="the finding names no service")
        return {"service": f"{finding.environment}/{finding.service}"}

    def parse(self, parameters: Parameters) -> Parameters:
        """``service``, text."""
        only(parameters, {"service"}, self.name)
        return {"service": text(parameters, "service", self.name)}

    def effect(self, parameters: Parameters) -> str:
        """One sentence."""
        return f"`{parameters['service']}` reads its database's schema again"

    def undo_says(self, parameters: Parameters) -> str:
        """Nothing to undo."""
        return "nothing to undo: the cache is only brought up to date"

    def requires(self, parameters: Parameters) -> tuple[str, ...]:
        """In words."""
        return ("a replica of the service is ready", "no rollout is in progress")

    def lock_set(self, parameters: Parameters) -> LockSet:
        """The API alone."""
        return {f"svc/{parameters['service']}": Mode.EXCLUSIVE}

    def check(self, parameters: Parameters, seen: Deployment) -> Sequence[Condition]:
        """From what the platform says now."""
        return (
            Condition(text="a replica of the service is ready", holds=any(r.ready for r in seen.replicas)),
            Condition(text="no rollout is in progress", holds=not seen.rollout_in_progress),
        )

    def steps(self, parameters: Parameters, seen: Deployment) -> tuple[tuple[Step, Undo], ...]:
        """One reload."""
        return ((ReloadSchema(service=seen.service), Undo(step=None, captured={})),)

    def runbook(self, parameters: Parameters) -> tuple[str, ...]:
        """It runs; there is nothing to write out."""
        return ()
