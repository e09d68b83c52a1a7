"""An inventory of realistic size: 500 systems, 20,000 identities, and AWS's full list of actions.

The names of AWS's actions and their access levels are a published fact, read from the file that pmgitops is delivered
with; everything else is made up, the same in every run.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

from .catalog import SYSTEMS, ActionRow, System, Tables

_AWS = Path(__file__).parents[2] / "catalog" / "data" / "aws.json"
_SPACE = uuid.UUID("5d5a3b6e-7d0c-4d5f-9a63-6f0f6c1f5a01")
_SYSTEMS = {"aws": 200, "azure": 200, "gcp": 100}
_IDENTITIES = 40
"""In each system; a quarter of them are roles, managed identities or service accounts."""
_OTHERS = 30
"""Roles or policies, and resources, in each system."""
_GIVEN = ("Adele", "Alex", "Diego", "Grady", "Henrietta", "Isaiah", "Johanna", "Joni", "Lee", "Lidia", "Lynne", "Megan",
          "Miriam", "Nestor", "Patti", "Pradeep")  # fmt: skip
_FAMILY = ("Archie", "Bowen", "Fernandez", "Graham", "Gupta", "Gu", "Holloway", "Langer", "Lorenz", "Mueller",
           "O'Neill", "Robbins", "Sherman", "Siciliani", "Vance", "Wilke", "Zürn")  # fmt: skip
_AZURE = ("Microsoft.ApiManagement", "Microsoft.App", "Microsoft.Authorization", "Microsoft.Automation",
          "Microsoft.Batch", "Microsoft.Cache", "Microsoft.Cdn", "Microsoft.CognitiveServices", "Microsoft.Compute",
          "Microsoft.ContainerRegistry", "Microsoft.ContainerService", "Microsoft.DataFactory",
          "Microsoft.DBforPostgreSQL", "Microsoft.DocumentDB", "Microsoft.EventHub", "Microsoft.Insights",
          "Microsoft.KeyVault", "Microsoft.Logic", "Microsoft.Network", "Microsoft.OperationalInsights",
          "Microsoft.RecoveryServices", "Microsoft.Resources", "Microsoft.Search", "Microsoft.Security",
          "Microsoft.ServiceBus", "Microsoft.Sql", "Microsoft.Storage", "Microsoft.Synapse", "Microsoft.Web",
          "Microsoft.Workloads")  # fmt: skip
_GCP = ("aiplatform", "apigee", "artifactregistry", "bigquery", "bigtable", "cloudbuild", "cloudfunctions",
        "cloudkms", "cloudsql", "compute", "container", "dataflow", "dataproc", "datastore", "dialogflow", "dns",
        "file", "healthcare", "iam", "logging", "monitoring", "networksecurity", "pubsub", "redis", "resourcemanager",
        "run", "secretmanager", "spanner", "storage", "workflows")  # fmt: skip
_NOUNS = ("accounts", "backups", "clusters", "datasets", "endpoints", "firewalls", "gateways", "images", "instances",
          "jobs", "keys", "locks", "networks", "nodes", "operations", "pipelines", "policies", "pools", "projects",
          "queues", "repositories", "routes", "rules", "schedules", "secrets", "servers", "services", "snapshots",
          "subnets", "tables", "tags", "templates", "topics", "versions", "volumes", "workspaces", "zones")  # fmt: skip


def systems() -> Iterator[System]:
    """The small sandbox's own, then as many as there are to be."""
    yield from SYSTEMS
    for cloud, count in _SYSTEMS.items():
        for number in range(sum(system.cloud == cloud for system in SYSTEMS), count):
            status = "offline" if number % 20 == 19 else "online"
            capability = "notConfigured" if number % 10 == 9 else "enabled"
            yield System(cloud, _natural(cloud, number), f"{cloud} {number:03}", status, capability)


def _natural(cloud: str, number: int) -> str:
    if cloud == "aws":
        return str(200_000_000_000 + number * 7_919_001)
    return str(uuid.uuid5(_SPACE, str(number))) if cloud == "azure" else f"contoso-project-{number:06}"


def tables(system: System, number: int) -> Tables:
    """What is in one system; people are the same few thousand everywhere."""
    machines = tuple(f"workload-{one:02}" for one in range(_IDENTITIES // 4))
    names = tuple(f"{_NOUNS[one]}-{number % 7}{one:02}" for one in range(_OTHERS))
    principals = 1 if system.cloud == "azure" else 0  # it is there in every one
    return Tables(
        people=tuple(_person(number * 7 + one) for one in range(_IDENTITIES - len(machines) - principals)),
        aws_roles=tuple((name, "custom", "sso") for name in machines),
        aws_policies=tuple((name, "system" if place % 2 else "custom") for place, name in enumerate(names)),
        managed=machines,
        azure_roles=tuple((str(uuid.uuid5(_SPACE, name)), name, "custom", "/subscriptions/{system}") for name in names),
        accounts=machines,
        gcp_roles=tuple((f"projects/{{system}}/roles/{name}", name, "custom", "compute") for name in names),
        resources=tuple((name, "instance", "compute", f"{{system}}/instances/{name}") for name in names),
    )


def _person(number: int) -> tuple[str, str, str]:
    given, family = _GIVEN[number % len(_GIVEN)], _FAMILY[number // len(_GIVEN) % len(_FAMILY)]
    return f"{given}.{family}{number % 997:03}".lower().replace("ü", "ue"), "contoso.com", f"{given} {family}"


def actions(cloud: str) -> tuple[ActionRow, ...]:
    """Every action of a cloud."""
    return tuple({"aws": _aws_actions, "azure": _azure_actions, "gcp": _gcp_actions}[cloud]())


def _aws_actions() -> Iterator[ActionRow]:
    for service, levels in json.loads(_AWS.read_text("utf-8"))["services"].items():
        for level, names in levels.items():
            for name in names.split():
                deletes = name.startswith(("Delete", "Terminate", "Remove", "Abort"))
                does = "delete" if deletes else "read" if level in ("Read", "List") else None
                high = level == "Permissions management" or name.startswith(
                    ("Delete", "Terminate", "Create", "PassRole")
                )
                yield f"{service}:{name}", service, does, "high" if high else "normal", ""


def _azure_actions() -> Iterator[ActionRow]:
    for service in _AZURE:
        for noun in _NOUNS:
            for verb in ("read", "write", "delete", "start/action", "stop/action", "listKeys/action", "metrics/read",
                         "move/action", "sync/action"):  # fmt: skip
                does = "delete" if verb == "delete" else "read" if verb.endswith("read") else None
                high = verb in ("write", "delete", "listKeys/action")
                yield f"{service}/{noun}/{verb}", service, does, "high" if high else "normal", noun


def _gcp_actions() -> Iterator[ActionRow]:
    for service in _GCP:
        for noun in _NOUNS:
            for verb in ("create", "delete", "get", "list", "update", "getIamPolicy", "setIamPolicy"):
                does = "delete" if verb == "delete" else "read" if verb in ("get", "list", "getIamPolicy") else None
                high = verb in ("delete", "setIamPolicy", "create")
                yield f"{service}.{noun}.{verb}", service, does, "high" if high else "normal", noun
