"""The sentences under the fields of a model, read from its source when a finding or a schema asks.

Pydantic's `use_attribute_docstrings` reads them whenever a class is made: a tenth of every command's start.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise


def sentences(model: type) -> dict[str, str]:
    """Field -> the sentence that stands under it, inherited ones too."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found |= _own(base) if base.__module__ not in _LIBRARIES else {}
    return found


_LIBRARIES = ("builtins", "pydantic.main")


@cache
def _own(model: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except OSError:  # packed without its source: findings say less
        return {}
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
