"""Policies, data and requests as tests write them: short, and with one thing at a time different."""

from datetime import UTC, datetime

import yaml

from pmgitops import load as requests
from pmgitops.policy import bundle
from pmgitops.policy.examples import NOW, REQUESTS, laid_over

PATH = "policies/rule.yaml"
DATA = """\
apiVersion: pmgitops/v1
productionAccounts: ["377596131774"]
"""
POLICY = """\
apiVersion: pmgitops/v1
id: rule
title: The rule
why: Because.
severity: error
require: REQUIRE
message: MESSAGE
at: kind
cases:
  - {it: passes, request: {kind: aws-policies}, expect: pass}
  - {it: fails, request: {kind: aws-policies}, expect: fail}
"""


def policy(require="request.name != ''", message="is not so", **more):
    text = POLICY.replace("REQUIRE", require).replace("MESSAGE", message)
    for field, value in more.items():
        line = next((line for line in text.splitlines() if line.startswith(f"{field}:")), None)
        text = text.replace(line, f"{field}: {value}") if line else text.replace("cases:", f"{field}: {value}\ncases:")
    return text


def load(*policies, data=DATA):
    files = [(f"policies/{place or ''}rule{place or ''}.yaml", text) for place, text in enumerate(policies)]
    files = [(PATH, policies[0])] if len(policies) == 1 else files
    files = [(path, text.encode()) for path, text in [*files, ("policies/data.yaml", data)]]
    return bundle.load(files, proofread=True)


def faults(*policies, data=DATA):
    """The findings of a bundle, as people see them, without the path."""
    return [(found.line, found.column, found.rule, found.message) for found in load(*policies, data=data).findings]


def request(kind="aws-policies", name="a-request", **changes):
    content = laid_over(REQUESTS[kind], changes)
    loaded = requests.load(f"requests/{name}.yaml", yaml.safe_dump(content, sort_keys=False).encode())
    assert isinstance(loaded, requests.RequestFile), loaded
    return loaded


def judge(text, file=None, *, data=DATA, now=NOW, **known):
    loaded = load(text, data=data)
    assert not loaded.findings, loaded.findings
    return loaded.judge(file or request(), now=now, **known)


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)
