"""Diagnostics for other tools: SARIF 2.1.0, and the annotations of GitHub workflows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from ..source import Source, Span
from .explain import pages
from .model import Diagnostic

Found = Sequence[tuple[Source, Sequence[Diagnostic]]]
"""Sources with their diagnostics."""


# ---- SARIF -----------------------------------------------------------------------------------------


def sarif(found: Found, version: str) -> dict[str, Any]:
    """One run of l2ogen over some files. Columns count characters, from 1; an end column lies behind the region."""
    codes = sorted({d.code for _, diagnostics in found for d in diagnostics})
    driver = {"name": "l2ogen", "version": version, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, source, codes.index(d.code)) for source, diagnostics in found for d in diagnostics],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _rule(code: str) -> dict[str, Any]:
    page = pages()[code]
    return {
        "id": code,
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.text},
        "help": {"text": page.text, "markdown": page.markdown},
    }


def _result(d: Diagnostic, source: Source, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": rule,
        "level": d.severity,
        "message": {"text": d.message + (f"\n{d.help}" if d.help else "")},
        "locations": [_location(d.span, source)],
    }
    if d.notes:
        result["relatedLocations"] = [
            _location(span, source) | {"id": i, "message": {"text": text}} for i, (span, text) in enumerate(d.notes)
        ]
    if d.fix is not None:
        span, text = d.fix
        replacement = {"deletedRegion": _region(span, source), "insertedContent": {"text": text}}
        change = {"artifactLocation": {"uri": _uri(source)}, "replacements": [replacement]}
        result["fixes"] = [{"description": {"text": f"write `{text}`"}, "artifactChanges": [change]}]
    return result


def _location(span: Span, source: Source) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(source)}, "region": _region(span, source)}}


def _region(span: Span, source: Source) -> dict[str, int]:
    line, column = source.position(span.start)
    end_line, end_column = source.position(span.end)
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _uri(source: Source) -> str:
    return quote(source.name)


# ---- GitHub ------------------------------------------------------------------------------------------


def github(found: Found) -> Iterable[str]:
    """`::error file=…,line=…::message`, one for each diagnostic."""
    for source, diagnostics in found:
        for d in diagnostics:
            line, column = source.position(d.span.start)
            end_line, end_column = source.position(d.span.end)
            places = {"file": source.name, "line": line, "endLine": end_line}
            if line == end_line:  # columns are of one line there
                places |= {"col": column, "endColumn": max(column, end_column - 1)}
            keys = ",".join(
                f"{key}={_escaped(str(value), ':,')}" for key, value in (places | {"title": d.code}).items()
            )
            yield f"::{d.severity} {keys}::{_escaped(d.message + (chr(10) + d.help if d.help else ''))}"


def _escaped(text: str, more: str = "") -> str:
    for c in "%\r\n" + more:
        text = text.replace(c, f"%{ord(c):02X}")
    return text
