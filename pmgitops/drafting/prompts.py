"""Asking a person: field by field, each answer judged by the request's model while it is typed, completed from what is
known. The questions are here; `Terminal` asks them, with prompt_toolkit (extra `prompts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from pmgitops.drafting import draft as drafts
from pmgitops.drafting import words
from pmgitops.drafting.draft import Draft
from pmgitops.drafting.fields import DURATION, STATEMENTS, Field, of_kind
from pmgitops.drafting.known import Known, Suggestion, every, suggested
from pmgitops.errors import PmgitopsError
from pmgitops.model.request import KINDS

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document

Complete = Callable[[Draft], Draft]
"""Puts defaults into a draft."""


@dataclass(frozen=True)
class Question:
    """One line that a person is asked for."""

    label: str
    about: str
    wrong: Callable[[str], str | None]
    """What is wrong with a line, if anything is; an empty line is one, too."""
    default: str = ""
    words: bool = False
    """Whether the line is words, of which the last one is completed; otherwise the line is."""
    known: Callable[[], Iterable[Suggestion]] = field(default=tuple)

    @cached_property
    def _known(self) -> Sequence[Suggestion]:
        return tuple(self.known())

    def suggestions(self, typed: str) -> tuple[str, list[Suggestion]]:
        """What is completed of a line, and by what."""
        if self.words:
            typed = typed.replace(",", " ").rpartition(" ")[2]
        return typed, suggested(self._known, typed)


class Asker(Protocol):
    """Puts a question to a person."""

    def ask(self, question: Question) -> str:
        """The line that was entered, with nothing wrong with it. KeyboardInterrupt where the person leaves."""


class Interview:
    """All that a draft lacks, asked in the order in which people think."""

    def __init__(self, asker: Asker, known: Sequence[Known]) -> None:
        self._asker = asker
        self._known = known

    def fill(self, draft: Draft, completed: Complete) -> Draft:
        """The draft with the answers; what it said already is not asked again."""
        draft = deepcopy(draft)
        if "kind" not in draft:
            draft |= drafts.of_kind(self._asker.ask(_kind()))
        for one in of_kind(draft["kind"]):
            if drafts.get(draft, one.path) is None and self._is_asked(one, draft, completed):
                self._fill(draft, one, completed)
        return draft

    def place(self, name: str, folder: str, wrong: Callable[[str, str], str | None], folders: Iterable[str]) -> Any:
        """The request's name and folder; `wrong` judges both."""
        known = [Suggestion(one) for one in folders]
        folder = self._asker.ask(
            Question(
                "folder", "Where it goes, below requests/.", lambda text: wrong(name, text), folder, known=lambda: known
            )
        )
        name = self._asker.ask(
            Question("name", "What the request is called, for ever.", lambda text: wrong(text, folder), name)
        )
        return name, folder

    def _is_asked(self, one: Field, draft: Draft, completed: Complete) -> bool:
        if one.path in drafts.lacking(completed(draft)):
            return True
        if one is DURATION and drafts.get(draft, one.path[:-1]):
            return False  # it ends otherwise
        if one.path[0] == "ticketInfo" and len(one.path) > 1 and one.flag != "--ticket":
            return one.asked and "ticketInfo" in draft
        return one.asked

    def _fill(self, draft: Draft, one: Field, completed: Complete) -> None:
        if not one.many:
            drafts.put(draft, one.path, _meant(one, self._asker.ask(self._question(draft, one, completed))))
            return
        while answer := self._asker.ask(self._question(draft, one, completed)):
            drafts.put(draft, one.path, _appended(draft, one, answer))

    def _question(self, draft: Draft, one: Field, completed: Complete) -> Question:
        listed = drafts.get(draft, one.path) or []

        def wrong(text: str) -> str | None:
            trial = deepcopy(draft)
            try:
                value = _appended(draft, one, text) if one.many and text else _meant(one, text)
            except PmgitopsError as error:
                return f"{error}; {error.hint}".removeprefix(f"{one.flag}: ")
            drafts.put(trial, one.path, value)
            # An empty line ends a list; elsewhere it leaves the default, or out what may be left out.
            return drafts.problem_at(completed(trial), one.path)

        def known() -> Iterator[Suggestion]:
            place = draft.get("authorizationSystemId", "")
            return every(self._known, one.what, drafts.provider(draft["kind"]), place) if one.what else iter(())

        return Question(
            label=one.flag.removeprefix("--").replace("-", " ") + (f" {len(listed) + 1}" if one.many else ""),
            about=one.help + (" An empty line ends the list." if one.many and listed else ""),
            wrong=wrong,
            default="" if one.many else str(drafts.get(completed(draft), one.path) or ""),
            words=one is STATEMENTS,
            known=known,
        )


def _kind() -> Question:
    def wrong(text: str) -> str | None:
        try:
            drafts.of_kind(text)
        except PmgitopsError as error:
            return f"{error}; {error.hint}"
        return None

    return Question("kind", f"One of {', '.join(KINDS)}.", wrong, known=lambda: map(Suggestion, KINDS))


def _meant(one: Field, text: str) -> Any:
    return words.duration(text) if one is DURATION else text


def _appended(draft: Draft, one: Field, text: str) -> list[Any]:
    listed = list(drafts.get(draft, one.path) or [])
    if one is not STATEMENTS:
        return [*listed, text]
    said = words.statement(text)
    return [*listed, {"statementId": f"statement{len(listed) + 1}", **said}]


class Terminal:
    """Questions on a terminal. ModuleNotFoundError without the extra `prompts`."""

    def __init__(self) -> None:
        from prompt_toolkit import PromptSession  # noqa: PLC0415  # an extra, and 150 ms

        self._session: PromptSession[str] = PromptSession()

    def ask(self, question: Question) -> str:
        """As `Asker` says: what is wrong shows below the line, and Enter is not taken before it is mended."""
        from prompt_toolkit.completion import Completer, Completion  # noqa: PLC0415
        from prompt_toolkit.validation import Validator  # noqa: PLC0415

        class Completing(Completer):
            def get_completions(self, document: Document, _event: CompleteEvent) -> Iterator[Completion]:
                typed, found = question.suggestions(document.text_before_cursor)
                yield from (Completion(one.value, -len(typed), display_meta=one.about) for one in found)

        class Judging(Validator):
            def validate(self, document: Document) -> None:
                _refuse(question.wrong(document.text.strip()), len(document.text))

        try:
            answer = self._session.prompt(
                f"{question.label}: ",
                default=question.default,
                bottom_toolbar=question.about,
                completer=Completing(),
                complete_in_thread=True,
                validator=Judging(),
                validate_while_typing=True,
            )
        except EOFError:
            raise KeyboardInterrupt from None
        return answer.strip()


def _refuse(problem: str | None, at: int) -> None:
    from prompt_toolkit.validation import ValidationError  # noqa: PLC0415

    if problem:
        raise ValidationError(at, " ".join(problem.split()))
