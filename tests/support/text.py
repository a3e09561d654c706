"""Texts as a stranger's file may hold them, and the way back from their visible escapes."""

import re

HOSTILE = (
    "\x1b[2J\x1b[Hseals  1  ok\r\nno check failed\x1b]0;",
    "\x9b2J\x9d0;title\x9c",
    'x\noption "insert_pythonpath" "TRUE"\nplugin "planted"\ninclude "planted.beancount"\n',
    "\ninclude planted.hledger\naccount Assets\n",
    "\u202e000,1 gain\u202c \u2066left\u2069",
    "=HYPERLINK(1)",
    "\t@SUM(1+1)",
    "[red]markup[/red] :smile:",
    '"; drop table transfer; --',
    "../../outside",
    "a\x00b\x7fc\x08d",
)
"""Escape codes, line breaks, directives, directions, formulas, markup, SQL, paths and controls."""


def restored(text: str) -> str:
    """Return the text of which `without_controls` made *text*."""
    escapes = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
    return escapes.sub(lambda match: chr(int(match[1] or match[2] or match[3], 16)), text)
