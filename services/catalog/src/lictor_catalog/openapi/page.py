"""The description as one HTML page without anything from elsewhere: families, endpoints, a field that filters them.

It is readable without JavaScript: what is closed is `details`, and the few lines of script only hide what does not
match.
"""

import html
import json
from functools import cache

from lictor_catalog.openapi.described import FAMILIES, answer_of
from lictor_catalog.openapi.endpoint import Endpoint, Family, Parameter
from lictor_catalog.openapi.parameters import COMMON, IN_PATH

_STYLE = """
:root{color-scheme:light dark;--line:#8885;--dim:#777;--fill:#8881}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem .8rem;margin:.6rem 0}
input{font:inherit;width:100%;box-sizing:border-box;padding:.4rem;border:1px solid var(--line);border-radius:4px}
h2{margin:1.6rem 0 .2rem}
details{border-bottom:1px solid var(--line)}
summary{cursor:pointer;padding:.35rem 0;display:flex;flex-wrap:wrap;gap:.1rem .7rem}
summary b{display:inline-block;min-width:4rem;font:600 13px/1.7 ui-monospace,monospace}
summary span{color:var(--dim)}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:var(--fill);padding:.6rem;border-radius:4px;overflow:auto;max-height:28rem;white-space:pre-wrap;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.1rem 1rem;margin:.3rem 0 .8rem}
dd{margin:0}
"""
_SCRIPT = """
const asked=document.getElementById("asked");
asked.hidden=false;
asked.addEventListener("input",()=>{
  const words=asked.value.toLowerCase().split(/\\s+/);
  for(const section of document.querySelectorAll("section")){
    let some=false;
    for(const one of section.querySelectorAll("details")){
      const text=one.querySelector("summary").textContent.toLowerCase();
      const fits=words.every(word=>text.includes(word));
      one.hidden=!fits;
      some=some||fits;
    }
    section.hidden=!some;
  }
});
"""


@cache
def encoded() -> bytes:
    """The page as it is served."""
    count = sum(len(family.endpoints) for family in FAMILIES)
    links = "".join(f'<a href="#{family.name}">{family.name}</a>' for family in FAMILIES)
    every = "".join(_term(one) for one in COMMON)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lictor: HTTP API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Lictor: HTTP API</h1>"
        f'<p>{count} endpoints, after Consul 1.21; as OpenAPI: <a href="/openapi.json">/openapi.json</a>. '
        "The examples are requests to one small cluster, in order. Errors are bare text.</p>"
        f"<nav>{links}</nav>"
        '<input id="asked" type="search" placeholder="kv put …" aria-label="Filter the endpoints" hidden>'
        f"<p>Every endpoint takes:</p><dl>{every}</dl>"
        f"<main>{''.join(map(_family, FAMILIES))}</main><script>{_SCRIPT}</script></body></html>\n"
    ).encode()


def _family(family: Family) -> str:
    inside = "".join(_endpoint(family, one) for one in family.endpoints)
    return f'<section id="{family.name}"><h2>{family.name}</h2><p>{_marked(family.about)}</p>{inside}</section>'


def _endpoint(family: Family, one: Endpoint) -> str:
    answer = answer_of(family.name, one)
    asked = f"{one.method} {one.example.target}"
    body = one.example.body
    if body is not None:
        asked += "\n\n" + (body.decode() if isinstance(body, bytes) else _indented(body))
    said = f"{answer.status} {answer.media}"
    if answer.media:
        said += "\n\n" + (answer.body if isinstance(answer.body, str) else _indented(answer.body))
    terms = "".join(f"<dt><code>{{{name}}}</code></dt><dd>{_marked(IN_PATH[name])}</dd>" for name in one.in_path)
    terms += "".join(_term(each) for each in one.query)
    return (
        f"<details><summary><b>{one.method}</b><code>{html.escape(one.path)}</code>"
        f"<span>{_marked(one.summary)}</span></summary>"
        + (f"<dl>{terms}</dl>" if terms else "")
        + f"<pre>{html.escape(asked)}</pre><pre>{html.escape(said)}</pre></details>"
    )


def _term(one: Parameter) -> str:
    return f"<dt><code>{one.name}</code></dt><dd>{_marked(one.about)}</dd>"


def _marked(text: str) -> str:
    """A line of ours with what stands in backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
