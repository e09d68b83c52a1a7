"""Microsoft's own endpoint of Permissions Management delivers nothing, however it is written."""

from __future__ import annotations

import pytest

from tests.world import World


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://graph.microsoft.com/beta",
        "https://GRAPH.microsoft.com/beta",
        "https://graph.microsoft.com:443/beta",
        "https://graph.microsoft.com/v1.0",
    ],
)
def test_a_retired_endpoint_is_refused_however_it_is_written(world: World, endpoint: str) -> None:
    text = f"apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {{endpoint: {endpoint}}}\n"
    world.write("pmgitops.yaml", text)
    world.request("alex-groups")
    world.push("access")

    applied = world.run("apply")

    assert applied.code == 4, applied
    assert "retired" in applied.out
    assert world.remote() == []


def test_a_policy_cannot_take_the_name_of_a_guard(world: World) -> None:
    policy = (world.clone / "policies/short-lived.yaml").read_text().replace("id: short-lived", "id: retired")
    world.write("policies/retired.yaml", policy)

    listed = world.run("policy", "list")

    assert listed.code == 1
    assert "policies/retired.yaml:2:5: error [policy] 'retired' is the name of a guard" in listed.out


def test_a_target_that_is_not_known_is_named(world: World) -> None:
    world.write("pmgitops.yaml", "apiVersion: pmgitops/v1\ntargets: {permissions-managment: {}}\n")

    checked = world.run("check")

    assert checked.code == 2
    assert "did you mean 'permissions-management'?" in checked.err
