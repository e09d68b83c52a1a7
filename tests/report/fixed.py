"""One set of findings and one plan, of which every report is made."""

from __future__ import annotations

from pmgitops.model.change import Change
from pmgitops.model.finding import Finding
from pmgitops.plan import Plan
from tests.world import ROOT

GOLDEN = ROOT / "tests" / "report" / "golden"

FINDINGS = (
    Finding("requests/pay/anna.yaml", 3, 7, "arn", "'arn:aws:s3' is not an ARN of AWS"),
    Finding("requests/pay/anna.yaml", 8, 26, "short-lived", "asks for 9 hours; 8 hours is the most"),
    Finding("requests/pay/ben.yaml", 2, 7, "production-approved", "nobody has approved it yet", "approval"),
    Finding("requests/pay/zoe.yaml", 11, 3, "justified", "says little: 'access, please'", "warning"),
)
PAYLOAD = {
    "justification": "I add users to a group",
    "scheduleInfo": {"expiration": {"duration": "PT1H", "type": "afterDuration"}},
}
PLAN = Plan(
    (
        Change("create", "anna", "permissions-management", "new file", "a" * 64, "requests/pay/anna.yaml", PAYLOAD),
        Change("create", "ben", "permissions-management", "new file", "b" * 64, "requests/pay/ben.yaml", PAYLOAD),
        Change(
            "cancel",
            "maria",
            "permissions-management",
            "file gone, active: revoked; goes on through zoe",
            "c" * 64,
            "requests/pay/maria.yaml",
            ends_access=True,
        ),
        Change("none", "omar", "permissions-management", "active, unchanged", "d" * 64, "requests/pay/omar.yaml"),
        Change("create", "zoe", "permissions-management", "new file", "e" * 64, "requests/pay/zoe.yaml", PAYLOAD),
    ),
    FINDINGS,
    "5" * 64,
    {"anna": "7" * 64},
)

# What a person who means ill may bring along, in a path or in a message that repeats it.
HOSTILE = [
    "::error file=x::forged",
    "a\n::add-mask::b",
    "a\r::stop-commands::x",
    "100% %0A::error::x",
    "a, line=1::b",
    "\x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "\udcff\udcfe not UTF-8",
    "nul\x00 and \ufffe",
    "]]><failure/><!-- --> & < > \" '",
    "@contoso/admins",
    "(@octocat) and mail alex@contoso.com",
    "#1, contoso/infra#2, GH-3",
    "https://evil.example www.evil.example [ok](https://evil.example) <https://evil.example>",
    "![x](https://evil.example/x.png) <img src=x onerror=y>",
    "<script>alert(1)</script> </details> <details open>",
    "<!-- pmgitops:plan -->",
    "`code` ``` fence ~~~ | pipe | **bold** _it_ ~~no~~ :tada:",
    "&#64;octocat &lt;img&gt; &amp;",
    "# heading\n- list\n> quote\n\n---",
    "{{ 7 * 7 }} {% raw %} {# c #}",
    "x" * 3000,
]
