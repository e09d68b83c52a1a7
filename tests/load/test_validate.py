"""`document.validate` with a model that is nobody's: findings at their places, in words, each mistake once."""

from enum import Enum
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from pmgitops.document import MAX_FINDINGS, read, validate
from pmgitops.model.problem import nearest, shown
from pmgitops.model.scalars import Count, Id, Value, refuse


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Square(Value):
    """A square."""

    shape: Literal["square"]
    size: Count
    """How long a side is."""


class Circle(Value):
    shape: Literal["circle"]
    radius: Count
    circle: Id | None = None


class Branch(Value):
    name: Id
    below: tuple["Branch", ...] = ()


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


class Plain(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = 0
    ratio: float = Field(default=0, le=1)
    flag: bool = False
    pair: Annotated[tuple[str, ...], Field(min_length=2, max_length=3)] = ("a", "b")
    twin: Annotated[int, AfterValidator(even)] = 0


class Garden(Value):
    """Something with a bit of everything."""

    title: str
    """HTML is taken as text."""
    colour: Colour = Colour.RED
    shapes: tuple[Annotated[Square | Circle, Field(discriminator="shape")], ...] = ()
    first: Branch | None = None
    second: Branch | None = None
    limits: dict[Id, Count] = Field(default_factory=dict)
    either: Count | tuple[Count, ...] = 1
    plain: Plain = Plain()

    @model_validator(mode="after")
    def _tidy(self) -> "Garden":
        if self.title == "untidy":
            raise refuse("tidy", "is untidy", at="shapes.0.size")
        return self


GARDEN = TypeAdapter(Garden)


def findings(text):
    document = read(text.encode(), "garden.yaml")
    found = validate(document, "garden.yaml", GARDEN)
    return [(f.line, f.column, f.rule, f.message) for f in found] if isinstance(found, list) else found


def test_a_healthy_document_is_a_value():
    garden = findings("title: a\nshapes: [{shape: square, size: 1}]\nlimits: {a: 1}\neither: [1, 2]\n")
    assert garden.shapes == (Square(shape="square", size=1),)
    assert garden.either == (1, 2)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("first: {name: x}", (1, 1, "missing", "'title' is missing: HTML is taken as text")),
        ("title: a\ncolour: rad", (2, 9, "value", "'rad' is not one of red, green; did you mean 'red'?")),
        (
            "title: a\nshapes: [{shape: sqare}]",
            (2, 18, "value", "'sqare' is not one of square, circle; did you mean 'square'?"),
        ),
        ("title: a\nshapes: [{size: 1}]", (2, 10, "missing", "'shape' is missing: one of square, circle")),
        ("title: a\nshapes: [{form: circle}]", (2, 11, "unknown-field", "unknown field 'form'; did you mean 'shape'?")),
        ("title: a\nshapes: [{shape: square}]", (2, 10, "missing", "'size' is missing: how long a side is")),
        ("title: a\nshapes: [x]", (2, 10, "type", "expected a mapping, not 'x'")),
        ("title: a\nshapes: {a: b}", (2, 9, "type", "expected a list, not a mapping")),
        (
            "title: a\nshapes:\n- shape: circle\n  radius: 0",
            (4, 11, "number", "'0' is not a whole number from 1 to 9999"),
        ),
        ("title: a\nlimits: {ä: 1}", (2, 10, "ascii", "'ä' has U+00E4 (LATIN SMALL LETTER A WITH DIAERESIS)")),
        ("title: a\nlimits: {a: 0}", (2, 13, "number", "'0' is not a whole number")),
        ("title: a\nfirst: {name: b, below: [{nam: c}]}", (2, 27, "unknown-field", "did you mean 'name'?")),
        ("title: a\nsecond: {name: b, below: [{name: c, below: [{}]}]}", (2, 45, "missing", "'name' is missing")),
        ("title: a\nplain: {number: x}", (2, 17, "value", "'x': input should be a valid integer")),
        ("title: a\nplain: {ratio: 2}", (2, 16, "value", "'2': input should be less than or equal to 1")),
        ("title: a\nplain: {flag: maybe}", (2, 15, "value", "'maybe': input should be a valid boolean")),
        ("title: a\nplain: {pair: [a]}", (2, 15, "length", "1 members; 2 are the least")),
        ("title: a\nplain: {pair: [a, b, c, d]}", (2, 15, "length", "4 members; 3 are the most")),
        ("title: a\nplain: {twin: 3}", (2, 15, "value", "3 is odd")),
        ("title: untidy\nshapes: [{shape: square, size: 7}]", (2, 32, "tidy", "is untidy")),
        ("title: untidy", (1, 1, "tidy", "is untidy")),
    ],
)
def test_a_finding_has_its_place_and_its_words(text, finding):
    ((line, column, rule, message),) = findings(text)
    assert (line, column, rule) == finding[:3]
    assert finding[3] in message


def test_a_field_named_like_a_member_of_the_union_is_told_from_it():
    text = "title: a\nshapes: [{shape: circle, circle: ä, radius: 0}]\n"
    assert [finding[:3] for finding in findings(text)] == [(2, 34, "ascii"), (2, 45, "number")]


def test_a_misspelt_field_is_not_missing_as_well():
    assert [finding[2:] for finding in findings("titel: a")] == [
        ("unknown-field", "unknown field 'titel'; did you mean 'title'?")
    ]


def test_names_of_the_models_are_not_names_of_the_file():
    class Snake(Value):
        some_name: str = ""

    document = read(b"some_name: a\n", "a.yaml")
    (finding,) = validate(document, "a.yaml", TypeAdapter(Snake))
    assert finding.message == "unknown field 'some_name'; did you mean 'someName'?"


def test_all_findings_of_a_file_come_in_order():
    text = "colour: blue\nzzz: 1\nshapes: [{shape: circle}, {shape: square, size: a}]\nlimits: {b: c}\n"
    found = findings(text)
    assert [finding[:3] for finding in found] == [
        (1, 1, "missing"),
        (1, 9, "value"),
        (2, 1, "unknown-field"),
        (3, 10, "missing"),
        (3, 49, "number"),
        (4, 13, "number"),
    ]
    assert "here may stand title, colour, shapes" in found[2][3]


def test_findings_are_not_without_end():
    text = "title: a\n" + "".join(f"x{number}: 1\n" for number in range(1000))
    assert len(findings(text)) == MAX_FINDINGS


def test_where_every_member_of_a_union_refuses_one_finding_is_enough():
    ((line, column, *_),) = findings("title: a\neither: x\n")
    assert (line, column) == (2, 9)


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("justifcation", ["notes", "justification"], "justification"),
        ("POLICIES", ["policies"], "policies"),
        ("zzz", ["policies"], None),
        ("", ["a"], None),
        ("a" * 100_000, ["a" * 90], "a" * 90),
    ],
)
def test_the_nearest_word(word, known, meant):
    assert nearest(word, known) == meant


@pytest.mark.parametrize(
    ("value", "words"),
    [("a", "'a'"), ("'", '"\'"'), ({}, "a mapping"), ([], "a list"), (7, "'7'"), ("x" * 81, repr("x" * 77 + "..."))],
)
def test_values_are_shown(value, words):
    assert shown(value) == words
