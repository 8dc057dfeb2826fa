"""What a voice says when nobody chose its sentences."""

from __future__ import annotations

# Harvard sentences (IEEE, 1969): everyday words, all sounds of English.
_ENGLISH = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
)
# Numbers are read out by every language in its own words.
_NUMBERS = ("1, 2, 3, 4, 5.", "6, 7, 8, 9, 10.", "11, 12, 13, 20, 100.")


def sentences_for(language: str, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The chosen ones that say something, or three that every voice can say."""
    speaking = tuple(text for text in chosen if any(c.isalnum() for c in text))
    return speaking or (_ENGLISH if language.split("-")[0] == "en" else _NUMBERS)
