"""Restart one replica of a service. Tier 1: one process, its peers carry on, twice is once."""

from collections.abc import Sequence

from actions.action import Condition, Parameters, Tier, Undo, UndoKind, Unfit
from actions.parameters import only, text, whole
from actions.ports import Deployment, LockSet, Mode
from actions.steps import RestartReplica, Step
from agents.incident.clock import to_ms
from agents.incident.finding import Finding


class RestartOneReplica:
    """Never the last ready replica, never during a rollout."""

    name = "restart_replica"
    tier = Tier.SAFE
    undo_kind = UndoKind.NOTHING

    def fit(self, finding: Finding) -> Parameters | Unfit:
        """The replica the finding convicts, or the one where its mechanism shows most."""
        if not finding.replica:
            return Unfit(reason="the finding names no single replica")
        return {
            "service": f"{finding.environment}/{finding.service}",
            "replica": finding.replica,
            "seen_ms": to_ms(finding.made_at),
        }

    def parse(self, parameters: Parameters) -> Parameters:
        """``service`` and ``replica``, text; ``seen_ms``, when it was found wanting (ms since 1970)."""
        only(parameters, {"service", "replica", "seen_ms"}, self.name)
        return {
            "service": text(parameters, "service", self.name),
            "replica": text(parameters, "replica", self.name),
            "seen_ms": whole(parameters, "seen_ms", self.name),
        }

    def effect(self, parameters: Parameters) -> str:
        """One sentence."""
        return f"Replica `{parameters['replica']}` of `{parameters['service']}` is stopped and started anew"

    def undo_says(self, parameters: Parameters) -> str:
        """Nothing to undo."""
        return "nothing to undo: a restart leaves nothing changed"

    def requires(self, parameters: Parameters) -> tuple[str, ...]:
        """In words."""
        return (
            "another replica of the service is ready",
            "no rollout is in progress",
            "the replica still runs",
            "it has not been started anew since the finding",
        )

    def lock_set(self, parameters: Parameters) -> LockSet:
        """The whole service: two restarts at once could take its last replica."""
        return {f"svc/{parameters['service']}": Mode.EXCLUSIVE}

    def check(self, parameters: Parameters, seen: Deployment) -> Sequence[Condition]:
        """From what the platform says now."""
        name = str(parameters["replica"])
        replica = seen.replica(name)
        started = replica.started_at if replica is not None else None
        anew = started is not None and to_ms(started) > int(parameters["seen_ms"])
        others = [r for r in seen.replicas if r.ready and r.name != name]
        return (
            Condition(text="another replica of the service is ready", holds=bool(others)),
            Condition(text="no rollout is in progress", holds=not seen.rollout_in_progress),
            Condition(text="the replica still runs", holds=replica is not None),
            Condition(text="it has not been started anew since the finding", holds=not anew),
        )

    def steps(self, parameters: Parameters, seen: Deployment) -> tuple[tuple[Step, Undo], ...]:
        """One restart of the very process that was looked at."""
        replica = seen.replica(str(parameters["replica"]))
        assert replica is not None  # noqa: S101  # a precondition just read
        step = RestartReplica(service=seen.service, replica=replica.name, uid=replica.uid)
        return ((step, Undo(step=None, captured={"uid": replica.uid})),)

    def runbook(self, parameters: Parameters) -> tuple[str, ...]:
        """It runs; there is nothing to write out."""
        return ()
