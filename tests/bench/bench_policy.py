"""What judging costs: the starter set against a few of the same rules written as plain Python.

    python tests/bench/bench_policy.py

Read the ratios: the microseconds are those of the machine at hand.
"""

from __future__ import annotations

import sys
import timeit
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from pmgitops.load import load  # noqa: E402
from pmgitops.policy import bundle, cases, facts  # noqa: E402
from pmgitops.policy.examples import NOW  # noqa: E402

FILES = [(path.relative_to(ROOT).as_posix(), path.read_bytes()) for path in sorted((ROOT / "policies").glob("*.yaml"))]
REQUESTS = [load(path.name, path.read_bytes()) for path in sorted((ROOT / "requests" / "examples").glob("*.yaml"))]
ACCOUNTS = frozenset({"956987887735", "377596131774", "87eefd90-95a3-480a-ba42-56ff299a05ee", "carbide-bonsai-205017"})


def best(action, number=300):
    """Microseconds of one call, the best of seven rounds."""
    return min(timeit.repeat(action, number=number, repeat=7)) / number * 1e6


def in_python(seen: facts.RequestFacts, now: datetime) -> bool:
    """Seven of the rules, as a programmer would write them."""
    schedule, ticket = seen.schedule, seen.ticket
    return (
        schedule.ends
        and schedule.duration <= timedelta(hours=8)
        and schedule.start <= now + timedelta(days=30)
        and ticket.declared
        and ticket.approver.lower() not in {ticket.submitter.lower(), seen.identity.external_id.lower()}
        and seen.authorization_system_id in ACCOUNTS
        and len(seen.justification.split()) >= 5
    )


SEVEN = {
    "access-ends",
    "short-lived",
    "not-too-far-ahead",
    "ticket-named",
    "four-eyes",
    "allowed-accounts",
    "justified",
}


def main():
    began = perf_counter()
    starter = bundle.load(FILES)
    loaded = perf_counter() - began
    assert not starter.findings, starter.findings
    rules = len(starter.policies)

    seen = [bundle.circumstances(file.name, file.request, NOW, None, None, None) for file in REQUESTS]
    models = [facts.request_facts(file.name, file.request, NOW) for file in REQUESTS]
    situations = [starter.engine.situation(known) for known in seen]
    seven = [rule for rule in starter.policies if rule.policy.id in SEVEN]
    each = len(REQUESTS)

    kept = [file for file in REQUESTS if not starter.judge(file, now=NOW)]
    judging = best(lambda: [starter.judge(file, now=NOW) for file in kept]) / len(kept)
    building = best(lambda: [facts.request_facts(file.name, file.request, NOW) for file in REQUESTS]) / each
    alone = best(lambda: [rule.judge(where) for rule in starter.policies for where in situations]) / each
    few = best(lambda: [rule.judge(where) for rule in seven for where in situations]) / each
    plain = best(lambda: [in_python(model, NOW) for model in models], 3000) / each
    began = perf_counter()
    ran = len(cases.run(starter))
    tested = perf_counter() - began

    print(f"load and compile {rules} rules      {loaded * 1e3:8.1f} ms   ({loaded / rules * 1e3:.1f} ms a rule)")
    print(f"run {ran} cases                 {tested * 1e3:8.1f} ms")
    print(f"judge a request that keeps them   {judging:7.1f} us")
    print(f"  its facts                       {building:7.1f} us")
    print(f"  {rules} rules alone                  {alone:7.1f} us   ({alone / rules:.1f} us a rule)")
    print(f"{len(seven)} rules as CEL                    {few:7.1f} us   {few / plain:.1f} x the same in Python")


if __name__ == "__main__":
    main()
