"""`pmgitops.yaml`: every field, and every mistake at its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pmgitops.errors import UsageError
from pmgitops.settings import DEFAULT_STATES, NUMBER_PATTERN, Config, is_loopback, parse
from tests.world import ROOT

EVERYTHING = """\
apiVersion: pmgitops/v1
branch: production
targets:
  permissions-management: {endpoint: https://graph.contoso.example/beta/, allowRetired: true}
routes:
  - {kinds: [aws-policies, gcp-roles], target: permissions-management}
tickets:
  ServiceNow:
    host: example.service-now.com
    gate: warn
    states: {incident: [1, 2], change_request: [-2, -1]}
    approval: {change_request: approved}
    pattern: ^INC[0-9]{7}$
ledger: {ref: refs/heads/access/ledger, remote: upstream, lease: 2m}
limits: {maxCancellations: 3}
"""


def test_every_field() -> None:
    config = parse(EVERYTHING.encode())
    assert config.branch == "production"
    target = config.targets["permissions-management"]
    assert (target.endpoint, target.allow_retired) == ("https://graph.contoso.example/beta", True)
    assert config.target_of("aws-policies") == "permissions-management"
    assert config.target_of("azure-roles") is None
    system = config.ticket_system("servicenow")
    assert system is not None
    assert (system.host, system.gate, system.pattern) == ("https://example.service-now.com", "warn", "^INC[0-9]{7}$")
    assert system.states_of("incident") == ("1", "2")
    assert system.states_of("change_request") == ("-2", "-1")
    assert system.states_of("problem") == DEFAULT_STATES["problem"]
    assert system.states_of("cmdb_ci") is None
    assert system.approval == {"change_request": "approved"}
    ledger = config.ledger
    assert (ledger.ref, ledger.remote, ledger.lease) == ("refs/heads/access/ledger", "upstream", 120)
    assert config.limits.max_cancellations == 3
    assert parse(b"apiVersion: pmgitops/v1\nlimits: {maxCancellations: 0}\n").limits.max_cancellations == 0


def test_without_a_file_everything_has_a_default() -> None:
    config = parse(None)
    assert config == Config()
    assert (config.branch, config.ledger.ref, config.ledger.remote) == ("main", "refs/heads/pmgitops/ledger", "origin")
    assert (config.ledger.lease, config.limits.max_cancellations, config.tickets) == (60, 10, {})
    assert config.target_of("aws-policies") == "permissions-management"


def test_a_ticket_system_has_stock_settings() -> None:
    system = parse(b"tickets: {ServiceNow: {host: example.service-now.com}}").ticket_system("SERVICENOW")
    assert system is not None
    assert (system.gate, system.pattern) == ("required", NUMBER_PATTERN)
    assert system.approval == {"change_request": "approved", "sc_req_item": "approved"}


def test_the_first_route_that_takes_a_kind_wins() -> None:
    routes = "routes: [{kinds: [gcp-roles], target: permissions-management}, {target: permissions-management}]"
    config = parse(routes.encode())
    assert config.target_of("gcp-roles") == config.target_of("aws-actions") == "permissions-management"
    assert parse(b"routes: []").target_of("gcp-roles") is None


def test_it_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().branch = "other"  # type: ignore[misc]


def test_the_project_s_own_file_loads() -> None:
    assert parse((ROOT / "pmgitops.yaml").read_bytes()).branch == "main"


# (what is written, line:column, words of the message)
MISTAKES = [
    ("branhc: main", "1:1", "unknown field 'branhc'; did you mean 'branch'?"),
    ("apiVersion: pmgitops/v2", "1:13", "'pmgitops/v2' is not one of pmgitops/v1"),
    ("branch: ''", "1:9", "is not the name of a branch"),
    ("branch: feature/", "1:9", "is not the name of a branch"),
    ("branch: a..b", "1:9", "is not the name of a branch"),
    ("branch: -f", "1:9", "is not the name of a branch"),
    ("branch: a.lock", "1:9", "is not the name of a branch"),
    ("branch: main\nbranch: main", "2:1", "given twice"),
    ("targets: {azure-pim: {}}", "1:22", "'azure-pim' is not one of"),
    ("targets:\n  permissions-management: on", "2:27", "expected a mapping, not 'on'"),
    ("targets: {permissions-management: {endpoint: graph.microsoft.com}}", "1:46", "is not an address such as"),
    ("targets: {permissions-management: {endpiont: x}}", "1:36", "did you mean 'endpoint'?"),
    ("targets: {permissions-management: {allowRetired: maybe}}", "1:50", "neither true nor false"),
    ("targets: {}", "1:1", "'permissions-management' is not listed under targets"),
    ("routes:\n  - {target: azure-pim}", "2:14", "'azure-pim' is not one of"),
    ("routes: [{kinds: [aws-policies]}]", "1:10", "'target' is missing"),
    ("routes: [{target: permissions-management, kinds: [aws-policy]}]", "1:51", "did you mean 'aws-policies'?"),
    ("routes: [{target: permissions-management, kinds: []}]", "1:50", "is empty"),
    ("routes: permissions-management", "1:9", "expected a list"),
    ("tickets: {ServiceNow: {}}", "1:11", "'host' is missing"),
    ("tickets: {ServiceNow: {host: 'http://example.service-now.com'}}", "1:30", "http is for a literal loopback"),
    ("tickets: {ServiceNow: {host: example.service-now.com/api}}", "1:30", "has a path"),
    ("tickets: {ServiceNow: {host: 'bad host'}}", "1:30", "is not an address"),
    ("tickets: {ServiceNow: {host: x, gate: of}}", "1:39", "did you mean 'off'?"),
    ("tickets: {ServiceNow: {host: x, states: {incident: []}}}", "1:52", "is empty"),
    ("tickets: {ServiceNow: {host: x, states: {incident: [in progress]}}}", "1:53", "without blanks"),
    ("tickets: {ServiceNow: {host: x, states: {Incident: [1]}}}", "1:42", "is not a class of tickets"),
    ("tickets: {ServiceNow: {host: x, pattern: '('}}", "1:42", "is not a regular expression"),
    ("tickets: {ServiceNow: {host: x}, servicenow: {host: y}}", "1:46", "is 'ServiceNow' in other letters"),
    ("tickets: {_: {host: x}}", "1:11", "is not the name of a ticket system"),
    ("tickets: {ServiceNow: {host: x, states: {incident: [1.5]}}}", "1:53", "is not a state"),
    ("tickets: {Service Now: {host: x}}", "1:11", "without blanks"),
    ("ledger: {ref: pmgitops/ledger}", "1:15", "is not a branch's ref"),
    ("ledger: {ref: refs/tags/ledger}", "1:15", "is not a branch's ref"),
    ("ledger: {ref: refs/heads/a//b}", "1:15", "is not a branch's ref"),
    ("ledger: {ref: refs/heads/main}", "1:15", "main holds the requests; the ledger has a branch to itself"),
    ("ledger: {remote: '--upload-pack=x'}", "1:18", "is not the name of a remote"),
    ("ledger: {remote: https://contoso.example/x.git}", "1:18", "is not the name of a remote"),
    ("ledger: {lease: 29s}", "1:17", "it is 29 s, and has to be 30 s to 60 min"),
    ("ledger: {lease: 10}", "1:17", "it is 10 s"),
    ("ledger: {lease: 61m}", "1:17", "it is 3660 s"),
    ("ledger: {lease: -60s}", "1:17", "is not a lease such as 60s or 2m"),
    ("ledger: {lease: 1h}", "1:17", "is not a lease"),
    ("limits: {maxCancellations: -1}", "1:28", "is not a whole number from 0"),
    ("limits: {parallel: 0}", "1:20", "is not a whole number from 1 to 32"),
    ("limits: {maxCancellations: many}", "1:28", "is not a whole number from 0"),
    ("limits: {maxCancelations: 3}", "1:10", "did you mean 'maxCancellations'?"),
    ("a: &anchor b\nc: *anchor", "1:4", "an anchor"),
    ("- branch", "1:1", "expected a mapping"),
    ("", "1:1", "nothing in the file"),
    ("targets: {permissions-management: {allowRetired: [true]}}", "1:50", "neither true nor false"),
    ("branch: [", "2:1", "did not find expected"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), MISTAKES, ids=[text.replace("\n", " ") for text, *_ in MISTAKES])
def test_a_mistake_stands_at_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text.encode())
    lines = str(refused.value).splitlines()
    assert any(line.startswith(f"pmgitops.yaml:{place}: ") and words in line for line in lines), lines
    assert refused.value.exit_code == 2
    assert "pmgitops schema config" in refused.value.hint


def test_all_mistakes_at_once() -> None:
    text = "branhc: x\nledger: {lease: 1s, remote: ''}\nlimits: {maxCancellations: x}\ntickets: {S: {gate: x}}\n"
    with pytest.raises(UsageError) as refused:
        parse(text.encode(), "elsewhere.yaml")
    assert re.findall(r"^elsewhere.yaml:(\d+)", str(refused.value), re.MULTILINE) == ["1", "2", "2", "3", "4", "4"]


# Addresses


@pytest.mark.parametrize(
    "address",
    [
        "https://graph.microsoft.com/beta",
        "https://graph.microsoft.com:443/beta",
        "https://[2001:db8::1]/beta",
        "http://127.0.0.1:8787/beta",
        "http://127.1.2.3",
        "http://[::1]:80",
    ],
)
def test_addresses(address: str) -> None:
    text = f"targets: {{permissions-management: {{endpoint: '{address}'}}}}"
    assert parse(text.encode()).targets["permissions-management"].endpoint == address


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost/beta",  # a name may be made to point anywhere
        "http://127.0.0.1.contoso.example",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://[::ffff:10.0.0.1]",
        "http://2130706433",
        "http://0x7f000001",
        "http://127.0.0.1@contoso.example",
        "http://contoso.example#@127.0.0.1",
        "http://contoso.example\\\\@127.0.0.1",
        "https://user:word@graph.microsoft.com",
        "https://:word@graph.microsoft.com",
        "https://graph.microsoft.com?a=b",
        "https://graph.microsoft.com#a",
        "https://graph.microsoft.com:port",
        "https://graph.microsoft.com:99999",
        "https://[::1",
        "https://gr\u0430ph.microsoft.com",
        "https://graph.microsoft.com/be ta",
        "https://",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "//127.0.0.1",
    ],
)
def test_addresses_that_are_none_or_in_the_open(address: str) -> None:
    text = f'targets: {{permissions-management: {{endpoint: "{address}"}}}}'
    with pytest.raises(UsageError, match=r"pmgitops\.yaml:1:46: "):
        parse(text.encode())


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", False), ("", False)])
def test_loopback_is_a_literal_address(host, loopback) -> None:
    assert is_loopback(host) is loopback


def test_a_host_may_bring_its_scheme() -> None:
    system = parse(b"tickets: {S: {host: 'http://127.0.0.1:8787'}}").ticket_system("s")
    assert system is not None
    assert system.host == "http://127.0.0.1:8787"


def test_nothing_secret_may_stand_in_it() -> None:
    for name in ("token", "password", "graphToken", "apiKey"):
        with pytest.raises(UsageError, match="unknown field"):
            parse(f"{name}: x".encode())


def test_the_documented_example_of_the_starter_is_complete() -> None:
    written = Path(ROOT / "pmgitops.yaml").read_text("utf-8")
    assert all(f"{field.alias}:" in written for field in Config.model_fields.values())
