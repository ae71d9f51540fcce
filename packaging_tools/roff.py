"""The few requests of the man macros that our pages take."""

from __future__ import annotations

import re


def text(words: str) -> str:
    """Escape running text: hyphens stay hyphens to be copied, a leading dot is no request."""
    escaped = words.replace("\\", "\\e").replace("-", "\\-")
    # Quotes of the pages in docs; a manual has bold for that.
    escaped = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", escaped)
    return "\n".join(
        rf"\&{line}" if line[:1] in {".", "'"} else line for line in escaped.split("\n")
    )


def bold(words: str) -> str:
    """A word to be typed as it is."""
    return rf"\fB{text(words)}\fR"


def italic(words: str) -> str:
    """A word to be replaced."""
    return rf"\fI{text(words)}\fR"


def section(name: str) -> str:
    """A heading."""
    return f".SH {_quoted(name.upper())}"


def subsection(name: str) -> str:
    """A heading below a heading."""
    return f".SS {_quoted(name)}"


def entry(tag: str, body: str) -> str:
    """A list's entry; the tag may hold escapes already."""
    return f".TP\n{tag}\n{text(body) or '.br'}"


def literal(lines: str) -> str:
    """Lines that stay as they are."""
    return f".nf\n{text(lines)}\n.fi"


def _quoted(words: str) -> str:
    return '"' + text(words).replace('"', "\\(dq") + '"'
