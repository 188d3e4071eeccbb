"""The pages behind `l2ogen explain`: what each code means, why it is a mistake, a wrong and a right example.

A page is a section of one of the files in pages/:

    ## L2O302 The product of two vectors

    Any text.

    ```wrong composite
    update { x+ = x - x*grad f(x) }
    ```
    ```right composite
    update { x+ = x - x .* grad f(x) }
    ```

Behind `wrong` and `right` stands what the example is: `file`, `rule` (a bare one), or a file of FRAMES of which it
gives some lines; without a word that is `gradient`. `500x` repeats the example, `of:NAME` checks this
variant of it, `compile` compiles it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FRAMES = {
    "gradient": """\
problem { f(x) : convex, smooth(L); minimize f(x) }
parameters { fixed alpha in R = 1/L }
state { x in R^n = 0 }
update { x+ = x - alpha*grad f(x) }
""",
    "composite": """\
problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }
parameters { fixed alpha in R = 1/L }
state { x in R^n = 0 }
update { x+ = prox_r,alpha(x - alpha*grad f(x)) }
""",
    "recover": """\
problem { data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }
parameters { learned W_k in R^(n, m) init A'; learned theta_k in R init 0.1 with theta_k >= 0 }
state { x in R^n = 0 }
update { x+ = soft(x + W_k*(b - A*x), theta_k) }
""",
    "problem": """\
data { A in R^(m, n); b in R^m; lam in R with lam > 0 }
variable { x in R^n }
f(x) = 1/2*||A*x - b||_2^2
r(x) = lam*||x||_1
minimize f(x) + r(x)
sample (m = 20, n = 40, sparsity = 5) {
  A ~ gaussian(m, n)
  x_true ~ sparse_gaussian(n, sparsity)
  b = A*x_true
  lam = 0.1
}
""",
}
"""Whole files; an example replaces the items whose first word it has."""

_SECTION = re.compile(r"^## (L2O\d{3}) (.+)$", re.MULTILINE)
_EXAMPLE = re.compile(r"^```(wrong|right)((?: \S+)*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    shown: str
    """What the page shows."""
    text: str
    """The whole file, or the rule, that can be checked."""
    rule: bool
    variant: str = ""
    """Which variant of the file is checked, where it is not the algorithm."""
    compiled: bool = False
    """Whether the mistake only shows when code is made."""


@dataclass(frozen=True)
class Page:
    code: str
    title: str
    text: str
    wrong: Example
    right: Example

    @property
    def markdown(self) -> str:
        """The page for tools that show help of their own."""
        examples = f"Wrong:\n```\n{self.wrong.shown}\n```\nRight:\n```\n{self.right.shown}\n```"
        return f"{self.text}\n\n{examples}"


@cache
def pages() -> dict[str, Page]:
    """Code -> page, in the order of the codes."""
    found: dict[str, Page] = {}
    for file in sorted((Path(__file__).parent / "pages").glob("*.md")):
        text = file.read_text(encoding="utf-8")
        heads = list(_SECTION.finditer(text))
        for head, end in zip(heads, [*(h.start() for h in heads[1:]), len(text)], strict=True):
            page = _page(head[1], head[2], text[head.end() : end])
            if page.code in found:
                raise ValueError(f"{page.code} has two pages")
            found[page.code] = page
    return dict(sorted(found.items()))


def _page(code: str, title: str, body: str) -> Page:
    examples = {m[1]: _example(m[3], m[2].split()) for m in _EXAMPLE.finditer(body)}
    if examples.keys() != {"wrong", "right"}:
        raise ValueError(f"the page of {code} needs one wrong and one right example")
    return Page(code, title, _EXAMPLE.sub("", body).strip(), examples["wrong"], examples["right"])


def _example(text: str, words: list[str]) -> Example:
    times = next((int(w[:-1]) for w in words if re.fullmatch(r"\d+x", w)), 1)
    variant = next((w[3:] for w in words if w.startswith("of:")), "")
    kind = next((w for w in words if w in FRAMES or w in ("file", "rule")), "gradient")
    shown = text.rstrip("\n") if times == 1 else f"{text}... and so on, {times:,} lines"
    if kind in ("file", "rule"):
        return Example(shown, text * times if kind == "file" else text.strip(), kind == "rule")
    given = set(re.findall(r"^[a-z]\w*", text, re.MULTILINE))
    items = re.findall(r"^\S(?:[^\n]*\{\n.*?^\}|[^\n]*)\n", FRAMES[kind], re.MULTILINE | re.DOTALL)
    rest = "".join(item for item in items if re.match(r"[a-z]\w*", item)[0] not in given)  # type: ignore[index]
    header = "problem example\n" if kind == "problem" else "algorithm Example\n"
    return Example(shown, header + rest + text * times, False, variant, "compile" in words)
