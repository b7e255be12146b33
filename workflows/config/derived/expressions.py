"""Arithmetic expressions in ``mass``, read as what they are and never handed to Python's own evaluation.

An expression is parsed to a syntax tree, of which each node must be one of these:

================================ ==============================
node                             written as
================================ ==============================
a number                         ``0.0095``, ``2e-3``
the mass [GeV]                   ``mass``
sums, products, powers, signs    ``+ - * / **``, parentheses
functions                        ``sqrt(..) log(..) exp(..)``
================================ ==============================

Nothing else exists in it: no other name, no attribute, no index, no text.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bumphunt.errors import InputError

__all__ = ["MASS_NAME", "Expression", "expression"]

Array = NDArray[np.float64]

MASS_NAME = "mass"
"""What the mass is called in an expression."""
LONGEST = 500
"""Characters of an expression: a longer one is a function of a file."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {"sqrt": np.sqrt, "log": np.log, "exp": np.exp}
_ALLOWED = f"numbers, {MASS_NAME}, + - * / ** ( ), {', '.join(_FUNCTIONS)}"


@dataclass(frozen=True, slots=True)
class Expression:
    """An arithmetic expression in the mass; make one with `expression`.

    Parameters
    ----------
    text
        As it was written.
    """

    text: str

    def __call__(self, mass: ArrayLike) -> Array:
        """Return its values at masses [GeV], in their shape; NaN or inf where it has none, as at the logarithm of 0."""
        m = np.asarray(mass, dtype=np.float64)
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(_value(_tree(self.text), m), dtype=np.float64), m.shape).copy()


def expression(text: str) -> Expression:
    """Return an expression, checked.

    Raises
    ------
    InputError
        If it is no arithmetic expression in ``mass``: says which part, and what may stand there.

    Examples
    --------
    >>> expression("0.5 + 0.25 * sqrt(mass)")([0.0, 4.0])
    array([0.5, 1. ])
    """
    if len(text) > LONGEST:
        msg = f"an expression of {len(text)} characters; write one of at most {LONGEST}, or 'file.py:FUNCTION'"
        raise InputError(msg)
    _check(_tree(text), text)
    return Expression(text)


def _tree(text: str) -> ast.expr:
    """Return the syntax tree of an expression.

    Raises
    ------
    InputError
        If it has none.
    """
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        msg = f"{text!r} is no arithmetic expression; it may have {_ALLOWED}, as in '0.002 + 0.01 * {MASS_NAME}'"
        raise InputError(msg) from None


def _check(node: ast.expr, text: str) -> None:
    """Raise for a node that is none of those in the head of this module.

    Raises
    ------
    InputError
        If so.
    """
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return
        case ast.Name(id=name) if name == MASS_NAME:
            return
        case ast.Name(id=name):
            msg = f"{text!r}: the name {name!r} means nothing here; the mass [GeV] is called {MASS_NAME!r}"
            raise InputError(msg)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, text)
            _check(right, text)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            _check(operand, text)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            _check(argument, text)
        case _:
            part = ast.unparse(node)
            msg = f"{text!r}: {part!r} is not allowed; an expression may have {_ALLOWED}"
            raise InputError(msg)


def _value(node: ast.expr, mass: Array) -> Any:
    """Return the value of a node that was checked; numbers are floats, so that no power of integers grows for ever."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return np.float64(value)
        case ast.Name():
            return mass
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, mass), _value(right, mass))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, mass))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_value(argument, mass))
        case _:
            msg = f"{ast.unparse(node)!r} was not checked"
            raise InputError(msg)
