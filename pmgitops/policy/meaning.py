"""What a request comes to: the actions that it reaches, and how much harm they can do. Pure; a catalog is looked up.

AWS's actions, their access levels and what they lead to are known without a snapshot (`pmgitops.catalog.aws`). What
Azure and GCP know beyond the verb at an action's end comes from the snapshot, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from pmgitops.errors import CatalogError
from pmgitops.model.request import AnyRequest, AwsActions, AwsPolicies, AzureActions, AzureRoles, Provider, Statement

if TYPE_CHECKING:
    from pmgitops.catalog.patterns import Expansion
    from pmgitops.catalog.snapshot import Catalog

Level = Literal["low", "medium", "high"]
MOST_REASONS = 5
MOST_PATTERNS = 200
"""Patterns of one request that are expanded, which takes milliseconds each; more are taken to mean everything."""
REMEMBERED = 4096
"""Names whose risk is remembered: the same roles and actions are asked for again and again."""


class Risk(NamedTuple):
    """How much harm the access can do."""

    level: Level
    """`low`: reads what is no secret; `medium`: changes things; `high`: makes more access, or cannot be told."""
    reasons: tuple[str, ...]
    """What makes it so, at most five; empty where it is low."""


LOW = Risk("low", ())


# What is reached


def reached(request: AnyRequest, catalog: Catalog | None) -> tuple[str, ...]:
    """Every action that a request reaches, in lower case, sorted: patterns as the actions that they mean.

    A pattern that means nothing known stays as it is, so that a rule may still meet it. What a statement denies
    everywhere and always is not reached.
    """
    actions: tuple[str, ...] = vars(request).get("actions", ())  # asking a model for what it has not is slow
    if too_many(request):
        return ("*",)
    if isinstance(request, AwsActions):
        return _allowed(request.statements, catalog)
    if not any(map(is_pattern, actions)):
        return tuple(sorted({action.lower() for action in actions}))
    return tuple(sorted(_meant(request.provider, actions, (), catalog)))


def too_many(request: AnyRequest) -> bool:
    """Whether a request has more patterns than are expanded."""
    if isinstance(request, AwsActions):
        named = [*chain.from_iterable((*(one.actions or ()), *(one.not_actions or ())) for one in request.statements)]
    else:
        named = vars(request).get("actions", ())
    return len(named) > MOST_PATTERNS and sum(map(is_pattern, named)) > MOST_PATTERNS


def _allowed(statements: Sequence[Statement], catalog: Catalog | None) -> tuple[str, ...]:
    names: set[str] = set()
    for statement in statements:
        if statement.effect == "allow":
            names |= _of(statement, catalog)
    for statement in statements:
        if statement.effect == "deny" and statement.resources == ("*",) and not statement.condition:
            names -= _of(statement, catalog)
    return tuple(sorted(names))


def _of(statement: Statement, catalog: Catalog | None) -> set[str]:
    actions, others = statement.actions or (), statement.not_actions or ()
    if not others and not any(map(is_pattern, actions)):
        return {action.lower() for action in actions}
    return _meant("aws", actions, others, catalog)


def _meant(provider: Provider, patterns: Sequence[str], others: Sequence[str], catalog: Catalog | None) -> set[str]:
    """The actions that patterns mean; of `others`, all that they do not mean."""
    expansion = _expanded(provider, patterns, others, catalog)
    if expansion is None:
        return {pattern.lower() for pattern in patterns} | ({"*"} if others else set())
    unknown = (pattern.lower() for pattern in expansion.unmatched if pattern in patterns)
    return {*expansion.names, *unknown}


def _expanded(
    provider: Provider, patterns: Sequence[str], others: Sequence[str], catalog: Catalog | None
) -> Expansion | None:
    """None where nobody knows the provider's actions."""
    if catalog is not None:
        try:
            return catalog.expand(provider, patterns, others)
        except CatalogError:
            pass
    if provider != "aws":
        return None
    from pmgitops.catalog import aws  # noqa: PLC0415  # 15 ms, for those who write patterns

    return aws.expand(patterns, others)


def is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


# How much harm it can do


def risk(request: AnyRequest, actions: Sequence[str], catalog: Catalog | None) -> Risk:
    """How much harm `actions`, which the request reaches, or its roles and policies can do."""
    if isinstance(request, AwsActions):
        return _aws(actions, catalog)
    if isinstance(request, AwsPolicies):
        return _worst(_named(policy, _AWS_HIGH, _AWS_LOW) for policy in request.policies)
    if isinstance(request, AzureRoles):
        return _worst(_named(role.lower(), _AZURE_HIGH, _AZURE_LOW) for role in request.roles)
    if isinstance(request, AzureActions):
        return _verbs("azure", actions, _AZURE_GRANTS, _AZURE_READS, catalog)
    if request.kind == "gcp-actions":
        return _verbs("gcp", actions, _GCP_GRANTS, _GCP_READS, catalog)
    return _worst(_named(role, _GCP_HIGH, _GCP_LOW) for role in request.roles)


def _aws(actions: Sequence[str], catalog: Catalog | None) -> Risk:
    """By AWS's access levels, and by what is known to lead to more access."""
    from pmgitops.catalog import aws  # noqa: PLC0415  # as above

    listed = aws.names()
    high = [f"{way}: {' and '.join(needed)}" for way, needed in aws.escalations(frozenset(actions)).items()]
    high += [f"{name} hands out credentials" for name in sorted(aws.returns_credentials(actions))]
    high += [f"{name} opens a resource to others" for name in sorted(aws.exposes_resources(actions))]
    high += [f"{name} is not known" for name in actions if name not in listed and not _listed(name, catalog)]
    high += _severe("aws", actions, catalog)
    level = aws.level(actions)
    if level == "Permissions management":
        high += [f"{name} manages permissions" for name in actions if aws.level([name]) == level]
    if high:
        return Risk("high", _few(high))
    carried = [f"{name} reads what is worth stealing" for name in sorted(aws.carries_data_off(actions))]
    if level in {"Write", "Tagging"}:
        changing = (f"{name} changes things" for name in actions if aws.level([name]) in {"Write", "Tagging"})
        return Risk("medium", _few((*carried, *changing)))
    return Risk("medium", _few(carried)) if carried else LOW


def _listed(name: str, catalog: Catalog | None) -> bool:
    """Whether the snapshot has an action that the list at hand has not."""
    try:
        return catalog is not None and catalog.action("aws", name) is not None
    except CatalogError:
        return False


def _verbs(
    provider: Provider,
    actions: Sequence[str],
    grants: re.Pattern[str],
    reads: re.Pattern[str],
    catalog: Catalog | None,
) -> Risk:
    """By the verb at an action's end, and by the severity that a snapshot gives it."""
    worst = _worst(_verb(name, grants, reads) for name in actions)
    severe = _severe(provider, actions, catalog)
    return Risk("high", _few((*(worst.reasons if worst.level == "high" else ()), *severe))) if severe else worst


@lru_cache(REMEMBERED)
def _verb(name: str, grants: re.Pattern[str], reads: re.Pattern[str]) -> Risk:
    if grants.search(name):
        return Risk("high", (f"{name} hands out access",))
    if is_pattern(name):
        return Risk("high", (f"{name} means more than can be told",))
    return LOW if reads.search(name) else Risk("medium", (f"{name} changes things",))


def _severe(provider: Provider, actions: Sequence[str], catalog: Catalog | None) -> list[str]:
    try:
        found = catalog.severe(provider, actions) if catalog is not None else ()
    except CatalogError:
        found = ()
    return [f"{name} is of high severity in the catalog" for name in found]


@lru_cache(REMEMBERED)
def _named(name: str, high: re.Pattern[str], low: re.Pattern[str]) -> Risk:
    """Of a role or policy by its name: what is in it is not known here."""
    if high.search(name):
        return Risk("high", (f"{name} makes more access",))
    return LOW if low.search(name) else Risk("medium", (f"{name} may change things",))


def _worst(risks: Iterable[Risk]) -> Risk:
    found = list(risks)
    if len(found) == 1:
        return found[0]
    worst = max((risk.level for risk in found), key=("low", "medium", "high").index)
    return Risk(worst, _few(reason for risk in found if risk.level == worst for reason in risk.reasons))


def _few(reasons: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reasons))[:MOST_REASONS]


# Built-in roles and policies by their published ids and names; verbs as the providers document them.
_AWS_HIGH = re.compile(
    r":aws:policy/(job-function/SystemAdministrator|.*(Administrator|FullAccess|PowerUser)[^/]*|.*Admin[^/]*)$"
)
_AWS_LOW = re.compile(r":aws:policy/(job-function/ViewOnlyAccess|SecurityAudit|.*ReadOnly[^/]*)$")
_AZURE_HIGH = re.compile(
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"  # Owner
    "|b24988ac-6180-42a0-ab88-20f7382dd24c"  # Contributor
    "|18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"  # User Access Administrator
    "|f58310d9-a9f6-439a-9e8d-f62e7b41a168"  # Role Based Access Control Administrator
)
_AZURE_LOW = re.compile("acdd72a7-3385-48ef-bd42-f606fba81ae7")  # Reader
_AZURE_GRANTS = re.compile(r"^microsoft\.authorization/.*/(write|delete|action)$|^\*")
_AZURE_READS = re.compile(r"/read$")
_GCP_HIGH = re.compile(
    r"^roles/(owner|editor)$|^roles/(iam|resourcemanager)\..*admin$|^roles/iam\.serviceaccount(tokencreator|user)$",
    re.IGNORECASE,
)
_GCP_LOW = re.compile(r"^roles/(viewer|browser|[a-z0-9]+\.[a-z]*(viewer|reader))$", re.IGNORECASE)
_GCP_GRANTS = re.compile(
    r"\.setiampolicy$|^iam\.serviceaccounts\.(actas|getaccesstoken|getopenidtoken|signblob|signjwt|implicitdelegation)$"
    r"|^iam\.serviceaccountkeys\.create$|^iam\.roles\.(create|update)$"
)
_GCP_READS = re.compile(r"\.(get|list|getiampolicy)$")
