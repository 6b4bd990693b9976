"""How `/docs` looks and what its few lines of script do: filter the endpoints, open what a link leads to."""

STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--page:#fff;--line:#d9dee6;--dim:#5b6675;--fill:#f4f6f9;--link:#0b5cad;
--get:#0b6e4f;--put:#8a5a00;--post:#0b5cad;--delete:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--page:#14181f;--line:#2d3542;--dim:#98a3b3;--fill:#1b212b;
--link:#79b8ff;--get:#5fd0a5;--put:#e3b341;--post:#79b8ff;--delete:#ff8a80}}
*{box-sizing:border-box}
html{scroll-padding-top:4.2rem}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
code,pre,.form{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.page{display:grid;grid-template-columns:11rem minmax(0,1fr);gap:2rem;max-width:76rem;margin:0 auto;
padding:0 1.5rem 4rem}
nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow:auto;padding:1.6rem 0;line-height:1.9}
nav b{display:block;font-size:1.05rem;margin-bottom:.6rem;padding:0 .5rem}
nav a{display:flex;justify-content:space-between;align-items:baseline;color:inherit;padding:0 .5rem;border-radius:4px}
nav a:hover{background:var(--fill);text-decoration:none}
nav i{font-style:normal;color:var(--dim);font-size:13px}
h1{font-size:1.7rem;margin:1.6rem 0 .3rem}
h2{font-size:1.25rem;margin:2.2rem 0 .1rem}
h3{font-size:.78rem;letter-spacing:.04em;text-transform:uppercase;color:var(--dim);margin:1rem 0 .2rem}
p{margin:.3rem 0 .8rem}
.about{color:var(--dim)}
.find{position:sticky;top:0;background:var(--page);padding:.6rem 0;z-index:1}
input{font:inherit;color:inherit;background:var(--fill);width:100%;padding:.5rem .7rem;border:1px solid var(--line);
border-radius:6px}
details{border-top:1px solid var(--line)}
section details:last-of-type{border-bottom:1px solid var(--line)}
summary{cursor:pointer;display:grid;grid-template-columns:4.6rem minmax(0,24rem) minmax(0,1fr);gap:.2rem .8rem;
align-items:baseline;padding:.4rem .5rem;list-style:none}
summary::-webkit-details-marker{display:none}
summary:hover,details[open]>summary{background:var(--fill)}
summary b{font:600 12px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
summary code{overflow-wrap:anywhere}
summary span{color:var(--dim)}
#types summary{grid-template-columns:minmax(0,19rem) minmax(0,1fr)}
.GET{color:var(--get)}.PUT{color:var(--put)}.POST{color:var(--post)}.DELETE{color:var(--delete)}
.inside{padding:.2rem .5rem 1.2rem 5.9rem}
#types .inside{padding-left:.5rem}
pre{background:var(--fill);border:1px solid var(--line);padding:.6rem .8rem;border-radius:6px;overflow:auto;
max-height:28rem;margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(9rem,auto) minmax(0,1fr);gap:.15rem 1.2rem;margin:.2rem 0}
dd{margin:0}
dd i{font-style:normal;color:var(--dim)}
@media(max-width:52rem){.page{display:block;padding:0 1rem 3rem}nav{position:static;padding:1rem 0 0;display:flex;
flex-wrap:wrap;gap:0 .3rem}nav b{width:100%}nav i{display:none}
summary{grid-template-columns:4rem minmax(0,1fr)}summary span{grid-column:2}
#types summary{grid-template-columns:1fr}#types summary span{grid-column:1}.inside{padding-left:.5rem}}
"""

SCRIPT = """
const asked=document.getElementById("asked");
asked.parentElement.hidden=false;
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
const open=()=>{
  const one=document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if(one&&one.tagName==="DETAILS"){one.hidden=false;one.parentElement.hidden=false;one.open=true;one.scrollIntoView();}
};
addEventListener("hashchange",open);
open();
"""
