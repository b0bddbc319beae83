"""The answers of an assignment as QuestionFormAnswers XML, the form in which Mechanical Turk hands them out.

Schema: http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACE = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd"
ASSIGNMENT_FIELD = "assignmentId"

# XML 1.0, section 2.2: what is no Char cannot stand in a document, not even escaped.
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode_answers(fields: Iterable[tuple[str, str]]) -> str:
    """Write the fields of a submitted form as QuestionFormAnswers.

    Parameters
    ----------
    fields : iterable of (name, value)
        As the form posted them. The field that carries the assignment's id is left out. Fields of one name
        become one answer, their values joined by ``|`` in the order posted, as Mechanical Turk does.

    Returns
    -------
    str
        A well-formed document: what XML cannot hold (control characters, lone surrogates) becomes U+FFFD.
    """
    collapsed: dict[str, list[str]] = {}
    for name, value in fields:
        if name not in (ASSIGNMENT_FIELD, ""):
            collapsed.setdefault(name, []).append(value)
    answers = "".join(
        f"<Answer><QuestionIdentifier>{_text(name)}</QuestionIdentifier>"
        f"<FreeText>{_text('|'.join(values))}</FreeText></Answer>"
        for name, values in collapsed.items()
    )
    opening = f'<?xml version="1.0" encoding="UTF-8"?><QuestionFormAnswers xmlns="{NAMESPACE}">'
    return f"{opening}{answers}</QuestionFormAnswers>"


def _text(value: str) -> str:
    # A literal carriage return would be read back as a line feed (XML 1.0, section 2.11).
    return escape(_NOT_XML.sub("\ufffd", value), {"\r": "&#13;"})
