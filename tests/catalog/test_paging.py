"""Answers that are not what they should be: each ends, as a typed error."""

from __future__ import annotations

from typing import Any

import pytest

from pmgitops.catalog.discovery import Graph
from pmgitops.catalog.operations import OPERATIONS
from pmgitops.errors import PermanentRemoteError, RemoteError, TemporaryRemoteError
from tests.sandbox.conftest import Control

ACTIONS = OPERATIONS["aws-actions"]
AWS = "956987887735"


@pytest.fixture
def control(sandbox):
    return Control(sandbox)


@pytest.fixture
def serve(control, sandbox):
    """Play these pages for the list of actions, each leading to the next as it says."""

    def play(*pages: Any, last_again: bool = False) -> None:
        for number, page in enumerate(pages):
            times = 0 if last_again and number == len(pages) - 1 else 1
            control.post("faults", do="status", status=200, path="/actions", body=page, times=times)

    play.url = f"{sandbox.graph_url}/external/authorizationSystems/x/actions"
    return play


def page(*ids: str, link: str | None = None, **facts: Any) -> dict[str, Any]:
    rows = [{"id": one, "externalId": one, **facts} for one in ids]
    return {"value": rows} | ({"@odata.nextLink": link} if link else {})


def read(graph: Graph) -> list[str]:
    return [row["id"] for row in graph.many(ACTIONS, [AWS])]


def test_every_page_is_read(graph, control):
    control.post("settings", pageSize=4)
    assert len(read(graph)) == 13


@pytest.mark.parametrize("blanks", [True, False])
def test_a_link_is_followed_as_it_is(graph, control, blanks):
    control.post("settings", pageSize=1, nextLinkBlanks=blanks)
    rows = list(graph.many(OPERATIONS["aws-deletes-of"], [AWS, "s3"]))
    assert [row["externalId"] for row in rows] == ["s3:DeleteBucket", "s3:DeleteObject"]


def test_a_page_without_a_list_is_refused(graph, serve):
    serve({"values": []})
    with pytest.raises(PermanentRemoteError, match="a page without a list of values"):
        read(graph)


@pytest.mark.parametrize("rows", [[{"externalId": ""}], [{}], ["x"]])
def test_an_entry_without_an_id_is_refused(graph, serve, rows):
    serve({"value": rows})
    with pytest.raises(PermanentRemoteError, match="without a"):
        read(graph)


def test_a_page_that_leads_back_is_refused(graph, serve):
    serve(page("a", link=serve.url + "?1"), page("b", link=serve.url + "?1"))
    with pytest.raises(PermanentRemoteError, match="leads back to itself"):
        read(graph)


def test_pages_that_repeat_under_new_addresses_are_refused(graph, serve):
    serve(page("a", link=serve.url + "?1"), page("a", link=serve.url + "?2"), last_again=True)
    with pytest.raises(PermanentRemoteError, match="bring nothing new"):
        read(graph)


def test_empty_pages_do_not_go_on_for_ever(graph, serve):
    for number in range(60):
        serve(page(link=f"{serve.url}?{number}"))
    with pytest.raises(PermanentRemoteError, match="bring nothing new"):
        read(graph)


def test_a_few_empty_pages_are_gone_through(graph, serve):
    serve(*(page(link=f"{serve.url}?{number}") for number in range(5)), page("a"))
    assert read(graph) == ["a"]


def test_pages_that_never_end_are_refused(graph, serve, monkeypatch):
    monkeypatch.setattr("pmgitops.catalog.discovery.MOST_PAGES", 5)
    serve(*(page(str(number), link=f"{serve.url}?{number}") for number in range(9)))
    with pytest.raises(PermanentRemoteError, match="more pages than can be read"):
        read(graph)


def test_an_entry_that_comes_twice_is_one(graph, serve):
    serve(page("a", "b", link=serve.url + "?1"), page("b", "c"))
    assert read(graph) == ["a", "b", "c"]


def test_an_entry_that_is_another_the_second_time_tells_of_a_change(graph, serve):
    serve(page("a", link=serve.url + "?1", severity="high"), page("a", severity="normal"))
    with pytest.raises(TemporaryRemoteError, match="changed while it was read") as told:
        read(graph)
    assert told.value.code == "changed"


@pytest.mark.parametrize("link", ["https://elsewhere.example/beta/x", "http://[", "/beta/x", 7])
def test_our_token_goes_nowhere_else(graph, serve, link):
    serve(page("a", link=link))
    with pytest.raises(PermanentRemoteError, match=r"on another host|is no address"):
        read(graph)


def test_an_error_inside_a_page_is_one(graph, serve):
    serve({"value": [], "error": {"code": "x"}})
    with pytest.raises(PermanentRemoteError, match="an error in a page that began well"):
        read(graph)


def test_a_pause_is_kept(graph, control):
    control.post("faults", do="status", status=429, path="/actions", headers={"Retry-After": "0"}, body={}, times=2)
    assert len(read(graph)) == 13


@pytest.mark.parametrize("deed", ["html", "wrong-json", "partial", "close", "redirect"])
def test_what_is_not_the_api_is_no_answer(graph, control, deed):
    control.post("faults", do=deed, path="/actions", times=0, location="https://elsewhere.example/")
    with pytest.raises(RemoteError):
        read(graph)


@pytest.mark.parametrize("key", ["o'x", "a/b", "#1", "ü", "a b?c&d", "%2e%2e"])
def test_an_id_of_any_kind_is_asked_for_as_it_is(graph, key):
    with pytest.raises(PermanentRemoteError) as told:
        graph.one(OPERATIONS["aws-role-named"], [AWS, key])
    assert f"There is no '{key}' among associatedIdentities/roles." in str(told.value)
    assert list(graph.many(OPERATIONS["systems-named"], [key])) == []
