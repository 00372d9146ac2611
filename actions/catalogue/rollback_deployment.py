"""Roll a service back to a named revision. Tier 2: waits for people."""

from collections.abc import Sequence

from actions.action import Condition, Parameters, Tier, Undo, UndoKind, Unfit
from actions.parameters import only, text, whole
from actions.ports import Deployment, LockSet, Mode
from actions.steps import SetRevision, Step
from agents.incident.finding import Finding


class RollBackDeployment:
    """From the revision a deploy brought to the one it replaced; never across a schema change."""

    name = "rollback_deployment"
    tier = Tier.SUPERVISED
    undo_kind = UndoKind.INVERSE

    def fit(self, finding: Finding) -> Parameters | Unfit:
        """The undo target of the deploy record that raised the suspicion."""
        change = finding.change
        if change is None or change.revision is None or change.previous_revision is None:
            return Unfit(reason="the deploy record names no revision to go back to")
        return {
            "service": f"{finding.environment}/{finding.service}",
            "from_revision": change.revision,
            "to_revision": change.previous_revision,
        }

    def parse(self, parameters: Parameters) -> Parameters:
        """``service`` text, ``from_revision`` and ``to_revision`` whole and different."""
        only(parameters, {"service", "from_revision", "to_revision"}, self.name)
        return {
            "service": text(parameters, "service", self.name),
            "from_revision": whole(parameters, "from_revision", self.name),
            "to_revision": whole(parameters, "to_revision", self.name),
        }

    def effect(self, parameters: Parameters) -> str:
        """One sentence."""
        return (
            f"`{parameters['service']}` goes from revision {parameters['from_revision']} "
            f"to {parameters['to_revision']}, one replica at a time"
        )

    def undo_says(self, parameters: Parameters) -> str:
        """The inverse."""
        return f"deploy revision {parameters['from_revision']} again"

    def requires(self, parameters: Parameters) -> tuple[str, ...]:
        """In words."""
        return (
            f"revision {parameters['from_revision']} still runs",
            f"revision {parameters['to_revision']} is known and ran healthy",
            "no schema change lies between them",
            "no rollout is in progress",
        )

    def lock_set(self, parameters: Parameters) -> LockSet:
        """The service alone is changed; its undo needs the same."""
        return {f"svc/{parameters['service']}": Mode.EXCLUSIVE}

    def check(self, parameters: Parameters, seen: Deployment) -> Sequence[Condition]:
        """From what the platform says now."""
        says = self.requires(parameters)
        now = seen.find(int(parameters["from_revision"]))
        target = seen.find(int(parameters["to_revision"]))
        return (
            Condition(text=says[0], holds=seen.revision == parameters["from_revision"]),
            Condition(text=says[1], holds=target is not None and target.ran_healthy),
            Condition(
                text=says[2],
                holds=now is not None and target is not None and now.schema_version == target.schema_version,
            ),
            Condition(text=says[3], holds=not seen.rollout_in_progress),
        )

    def steps(self, parameters: Parameters, seen: Deployment) -> tuple[tuple[Step, Undo], ...]:
        """One change of revision, with its inverse."""
        old, new = int(parameters["from_revision"]), int(parameters["to_revision"])
        return (
            (
                SetRevision(service=seen.service, from_revision=old, to_revision=new),
                Undo(
                    step=SetRevision(service=seen.service, from_revision=new, to_revision=old),
                    captured={"revision": seen.revision},
                ),
            ),
        )

    def runbook(self, parameters: Parameters) -> tuple[str, ...]:
        """It runs; there is nothing to write out."""
        return ()
