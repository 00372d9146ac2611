"""The actions that exist, one file each. Add a file and name it here; nothing else knows them by type."""

from collections.abc import Mapping

from actions.action import Action
from actions.catalogue.drop_column import DropColumn
from actions.catalogue.reload_schema_cache import ReloadSchemaCache
from actions.catalogue.restart_replica import RestartOneReplica
from actions.catalogue.rollback_deployment import RollBackDeployment

CATALOGUE: Mapping[str, Action] = {
    action.name: action
    for action in (RestartOneReplica(), RollBackDeployment(), ReloadSchemaCache(), DropColumn())
}
