"""A part of some work, for batch systems without a scheduler: part 3 of 20."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bumphunt.errors import InputError

__all__ = ["Part"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of several parts of some work.

    Parameters
    ----------
    number
        Its number, from 1 on.
    of
        How many parts there are.

    Raises
    ------
    InputError
        If there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            msg = f"part {self.number}/{self.of}: parts go from 1/{self.of} to {self.of}/{self.of}"
            raise InputError(msg)

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return a part from a text such as ``3/20``.

        Raises
        ------
        InputError
            If it is none.
        """
        if (found := re.fullmatch(r"(\d+)/(\d+)", text)) is None:
            msg = f"part {text!r}: say which of how many, such as 3/20"
            raise InputError(msg)
        return cls(number=int(found[1]), of=int(found[2]))

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of this part: neighbours, so that few files are opened; all parts make up all items.

        Examples
        --------
        >>> [Part(number=i, of=3).share("abcdefg") for i in (1, 2, 3)]
        ['ab', 'cd', 'efg']
        """
        return items[len(items) * (self.number - 1) // self.of : len(items) * self.number // self.of]
