/**
 * How a report looks: light and dark by the system or by the switch, readable on a telephone and on paper.
 *
 * Colours are variables, and pictures use them by name, so that they change with the theme. Text has a contrast of at least 4.5 to its ground in both, lines and marks of 3.
 */

const LIGHT = `--page:#fdfdfc;--ink:#1d2430;--dim:#565f6e;--line:#c9ced6;--soft:#f1f3f6;--accent:#0a58ca;--bad:#b3261e;--good:#176b3a;--warn:#8a5200;
--s0:#2367c9;--s1:#c2410c;--s2:#1a7f4b;--s3:#8b3fd1;--s4:#00788a;--s5:#c0265e;--s6:#7d6100;--s7:#5b6472;--heat:#d1495b;`;
const DARK = `--page:#14181f;--ink:#e6e9ee;--dim:#a3adba;--line:#3b4452;--soft:#1d232c;--accent:#7fb4ff;--bad:#ff9a92;--good:#7fd8a2;--warn:#f0bf6c;
--s0:#6fabff;--s1:#ff9861;--s2:#5fd08f;--s3:#c79bff;--s4:#4ecfe0;--s5:#ff86ad;--s6:#e0bd4a;--s7:#aab4c2;--heat:#e0566b;`;

/** The style sheet. */
export const STYLE = `
:root{color-scheme:light;${LIGHT}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){color-scheme:dark;${DARK}}}
:root[data-theme=dark]{color-scheme:dark;${DARK}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
a{color:var(--accent)}
code,pre,.token{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.87em}
code{overflow-wrap:anywhere}
pre{background:var(--soft);padding:.8rem 1rem;border-radius:6px;overflow-x:auto;margin:.6rem 0}
h1{font-size:1.7rem;line-height:1.2;margin:.2rem 0 .4rem}
h2{font-size:1.35rem;margin:0 0 .6rem;padding-top:1.4rem;border-top:2px solid var(--line)}
h3{font-size:1.08rem;margin:1.8rem 0 .2rem;overflow-wrap:anywhere}
h4{font-size:1rem;margin:1.2rem 0 .2rem;overflow-wrap:anywhere}
p{margin:.5rem 0;max-width:78ch;overflow-wrap:anywhere}
li{max-width:78ch;overflow-wrap:anywhere}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-999px;top:0;background:var(--page);padding:.5rem 1rem;z-index:2}
.skip:focus{left:.5rem}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.frame{display:grid;grid-template-columns:minmax(0,1fr);max-width:1240px;margin:0 auto;padding:0 1.2rem 4rem;gap:0 2.4rem}
header.top{padding:1.2rem 0 .4rem}
.bar{display:flex;flex-wrap:wrap;gap:.6rem;justify-content:space-between;align-items:center}
.brand{font-weight:650;letter-spacing:.02em;color:var(--dim)}
nav.contents ul{list-style:none;margin:0;padding:0;font-size:.93rem}
nav.contents li{margin:.25rem 0}
nav.contents a{text-decoration:none}
nav.contents a:hover{text-decoration:underline}
@media (min-width:1020px){.frame{grid-template-columns:190px minmax(0,1fr)}header.top,footer{grid-column:1/-1}nav.contents{position:sticky;top:1rem;align-self:start;max-height:calc(100vh - 2rem);overflow-y:auto;padding-top:1.6rem}}
button,.csv{font:inherit;font-size:.88rem;color:var(--ink);background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.2rem .7rem;cursor:pointer;text-decoration:none;display:inline-block}
button:hover,.csv:hover{border-color:var(--accent)}
.caption,.note{color:var(--dim);font-size:.93rem}
.dim{color:var(--dim)}
.summary{background:var(--soft);border-radius:8px;padding:.9rem 1.2rem;margin:1rem 0}
.summary ul{margin:.2rem 0 .6rem;padding-left:1.2rem}
.summary h3{margin:.4rem 0 0;font-size:1rem}
.problems{border-left:4px solid var(--bad);background:var(--soft);padding:.6rem 1rem;margin:1rem 0}
.verdict{font-weight:650}
.verdict.bad{color:var(--bad)}.verdict.good{color:var(--good)}.verdict.warn{color:var(--warn)}
figure{margin:0 0 1.6rem}
section>figure,section>.stepper{content-visibility:auto;contain-intrinsic-size:auto 480px}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:0 2rem}
.gallery h3{margin-top:1rem}
.more{margin:1.2rem 0}
.more>summary{font-size:1rem}
.scroll{overflow-x:auto;max-width:100%}
svg.plot,svg.sequence{display:block;height:auto;max-width:100%;font:12px system-ui,sans-serif}
svg.large{min-width:560px}
.wide>svg.plot{min-width:900px}
svg.sequence{max-width:none;font-size:12.5px}
.plot .off{display:none}
.legend{display:flex;flex-wrap:wrap;gap:.3rem .5rem;list-style:none;padding:0;margin:.5rem 0}
.legend.plain{gap:.2rem 1rem;font-size:.9rem}
.legend.plain li{display:flex;gap:.4rem;align-items:center;overflow-wrap:anywhere}
.key{display:flex;gap:.45rem;align-items:center;text-align:left;overflow-wrap:anywhere}
.key svg{min-width:0;width:36px;height:16px;flex:none}
.key[aria-pressed=false]{text-decoration:line-through;color:var(--dim)}
.key[aria-pressed=false] svg{opacity:.3}
table{border-collapse:collapse;font-size:.87rem;margin:.5rem 0}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{text-align:left;font-weight:400;padding:.22rem .7rem .22rem 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
thead th{font-weight:600;color:var(--dim);border-bottom:2px solid var(--line)}
.number{text-align:right;font-variant-numeric:tabular-nums}
.numbers{display:flex;flex-wrap:wrap;align-items:flex-start;gap:.4rem 1rem;margin:.3rem 0}
.numbers details{min-width:0;max-width:100%}
summary{cursor:pointer;color:var(--accent);font-size:.9rem}
dl.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem 1.2rem;font-size:.93rem}
dl.facts dt{color:var(--dim)}
dl.facts dd{margin:0;overflow-wrap:anywhere}
.edge path{stroke:var(--dim);stroke-width:1.4}.edge-circle path{stroke:var(--bad);stroke-width:2.6}
.edge text{fill:var(--dim)}.edge-circle text{fill:var(--bad);font-weight:600}
svg .edge-label{font-size:11px;paint-order:stroke;stroke:var(--page);stroke-width:4px}
.edge path.head,svg path.head{fill:var(--dim);stroke:none}svg path.head-circle{fill:var(--bad);stroke:none}
.node rect{fill:var(--soft);stroke:var(--dim)}.node.cpu rect{stroke:var(--accent);stroke-width:1.6}.node text{font-size:13px;fill:var(--ink)}
.stepper{border:1px solid var(--line);border-radius:8px;padding:.4rem 1rem .8rem;margin:.8rem 0}
.controls{display:none;flex-wrap:wrap;gap:.4rem;align-items:center;margin:.5rem 0}
.scripted .controls{display:flex}
.controls input{flex:1 1 120px;min-width:90px;max-width:260px;accent-color:var(--accent)}
.controls .now{flex:1 1 100%;font-weight:600;overflow-wrap:anywhere}
.beside{display:flex;flex-wrap:wrap;gap:1rem 2rem;align-items:flex-start}
.beside>.scroll{flex:0 1 auto;max-height:80vh;overflow:auto}
.beside>.state{flex:1 1 260px;min-width:0}
.state td,.state th{white-space:normal;overflow-wrap:anywhere}
.state tr.changed>*{background:var(--soft);font-weight:650}
.state tr.changed>th::before{content:"▸ "}
.sequence .life{stroke:var(--line);stroke-width:2}
.sequence text{fill:var(--ink)}
.sequence .cpu{font-weight:650}
.sequence .at,.sequence .skipped{fill:var(--dim);font-size:11px}
.sequence .step rect{fill:var(--page);stroke:var(--line)}
.sequence .step{cursor:pointer}
.sequence .step text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px}
.sequence .step .at{font-family:inherit}
.sequence .has rect,.sequence .gives rect{stroke:var(--s2);stroke-width:1.6}
.sequence .blocks rect{stroke:var(--warn);stroke-dasharray:4 2}
.sequence .holds{fill:var(--s2);fill-opacity:.75}
.sequence .waits{stroke:var(--warn);stroke-width:3;stroke-dasharray:4 3}
.sequence .flow{fill:none;stroke:var(--accent);stroke-width:1.5}
.sequence .fails line{stroke:var(--bad);stroke-width:2;stroke-dasharray:8 3}
.sequence .fails text{fill:var(--bad);font-weight:650;paint-order:stroke;stroke:var(--page);stroke-width:4px}
.sequence .future{opacity:.32}
.sequence .current rect{stroke:var(--accent);stroke-width:3}
footer{color:var(--dim);font-size:.9rem;padding-top:1.4rem}
@media print{nav.contents,.controls,#theme,.csv{display:none!important}.frame{display:block;max-width:none}figure{break-inside:avoid;content-visibility:visible!important}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
`;
