"""Templates that were posted unrendered: ``$EVENT_TITLE`` where a title should be.

Only a whole value is one: it is nothing but placeholders, with at most punctuation between them. A word in free
text that looks like one is text. Datadog's ``%%%`` fences are text too.
"""

import re

from bot.receiver import safe

MOST_CHARACTERS = 500
"""No name of a placeholder is longer; a longer value is text."""

_PLACEHOLDER = re.compile(
    r"""
      \$\{\{[^{}]*\}\}                      # ${{ .name }}
    | \{\{\{[^{}]*\}\}\}                    # {{{name}}}, Handlebars unescaped
    | \{\{[^{}]*\}\}                        # {{ name }}, Jinja, Go, Handlebars, Mustache
    | \{%[^{}]*%\}                          # {% if … %}
    | [$@]\{[^{}]+\}                        # ${name}, @{triggerBody()}
    | \{[#$?]?[A-Za-z][A-Za-z0-9_.:]*\}     # {ProblemTitle}, {EVENT.ID}, {$MACRO}, {#LLD}
    | \$[A-Za-z][A-Za-z0-9_.:]*\$           # $HOSTNAME$, $result.host$
    | \$[A-Z][A-Z0-9_]+(?![A-Za-z0-9$])     # $EVENT_TITLE
    | \*[a-z]+[A-Z][A-Za-z]*\*              # *monitorURL*
    """,
    re.VERBOSE,
)


def unrendered(value: str) -> str | None:
    """The placeholder that *value* is, as it stands there and fit to be kept; None when it is a value."""
    text = value.strip()
    if not text or len(text) > MOST_CHARACTERS:
        return None
    first = _PLACEHOLDER.search(text)
    if first is None or any(c.isalnum() for c in _PLACEHOLDER.sub(" ", text)):
        return None
    return safe.storable(first.group())
