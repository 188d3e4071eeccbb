"""An evaluation as one HTML file that needs nothing else: no scripts, no fonts, no pictures beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment

if TYPE_CHECKING:
    from . import Evaluation
    from .contestants import Contestant

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem }
table { border-collapse: collapse; margin: .6rem 0 1rem; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding: .2rem 0 }
th, td { padding: .1rem .7rem; text-align: right; white-space: nowrap }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
thead th { border-bottom: 1.5px solid #222 }
tr.first td { border-top: 1px solid #ccc }
tbody tr:not(.first) td { color: #666 }
table.settings td { color: #222; text-align: left; white-space: normal }
pre { background: #f6f6f4; padding: .8rem 1rem; overflow-x: auto; font-size: 13px; line-height: 1.4 }
svg { max-width: 100%; height: auto }
.scroll { overflow-x: auto }
.note { color: #555; margin: .2rem 0 }
summary { cursor: pointer; margin: .4rem 0 }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if command %}
<pre>{{ command }}</pre>
{% endif %}
{{ picture | safe }}
{% for batch in batches %}
<h2>{{ batch.title }}</h2>
{% for caption, heading, rows, step in batch.tables %}
<div class="scroll"><table>
<caption>{{ caption }}</caption>
<thead><tr>{% for cell in heading %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr{% if loop.index0 % step == 0 %} class="first"{% endif %}>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div>
{% endfor %}
{% for note in batch.notes %}
<p class="note">{{ note }}.</p>
{% endfor %}
<table class="settings">
<caption>Settings</caption>
<tbody>
{% for name, value in batch.settings %}
<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody>
</table>
{% if batch.spec %}
<details><summary>The problem</summary><pre>{{ batch.spec }}</pre></details>
{% endif %}
{% endfor %}
<h2>Algorithms</h2>
{% for one in algorithms %}
<h3>{{ one.name }}</h3>
<p class="note">{{ one.origin }}</p>
{% if one.verdicts %}
<pre>{{ one.verdicts }}</pre>
{% endif %}
{% if one.settings %}
<table class="settings"><caption>Training</caption><tbody>
{% for name, value in one.settings %}
<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table>
{% endif %}
{% if one.spec %}
<details open><summary>The spec</summary><pre>{{ one.spec }}</pre></details>
{% endif %}
{% endfor %}
</body>
</html>
"""


def html(evaluation: Evaluation) -> str:
    """The whole report: curves, tables, settings; of each algorithm the spec and what is true of it."""
    from ..runtime.curves import STATISTICS
    from ..runtime.plots import drawn
    from . import AXES

    options, comparisons = evaluation.options, evaluation.comparisons
    picture = drawn(comparisons, "svg", axes=AXES).decode()
    batches = []
    for batch, c in zip(evaluation.instances, comparisons, strict=True):
        tables = [
            (c.caption, *_split(c.rows(evaluation.at)), len(STATISTICS)),
            (c.accuracy_caption, *_split(c.accuracy_rows(options.accuracy)), 2),
        ]
        batches.append({
            "title": c.title, "tables": tables, "notes": c.notes, "spec": batch.spec.text if batch.spec else "",
            "settings": [(name, _shown(value)) for name, value in c.settings.items() if name != "command"],
        })  # fmt: skip
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(PAGE)
    return page.render(
        title=options.title or "; ".join(c.title for c in comparisons), command=options.command,
        picture=picture[picture.index("<svg") :], batches=batches,
        algorithms=[_about(c) for c in evaluation.contestants],
    )  # fmt: skip


def _split(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return rows[0], rows[1:]


def _shown(value: object) -> str:
    return ", ".join(f"{k} = {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _about(one: Contestant) -> dict[str, object]:
    settings = one.run.settings.as_dict() if one.run is not None else {}
    return {
        "name": one.name, "origin": f"trained: {one.origin}" if one.run else f"no weights: {one.origin}",
        "spec": one.spec.text if one.spec else "", "verdicts": str(one.spec.verdicts()) if one.spec else "",
        "settings": [(name, _shown(value)) for name, value in settings.items() if value is not None],
    }  # fmt: skip
