// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace llep::tool {

// Colours are of the Okabe-Ito palette, and the heat map's grow evenly darker (on dark paper:
// brighter), so that none is told from another by its hue alone. Paper is always light.
inline constexpr std::string_view page_style = R"css(
:root{--paper:#fff;--ink:#1c2127;--quiet:#5a6470;--rule:#d9dde2;--box:#f5f6f8;
--native:#0072b2;--lent:#e69f00;--cell:#e69f00;
--k0:#0072b2;--k1:#d55e00;--k2:#009e73;--k3:#b0578d;--k4:#b37b00;
--k5:#3a8fc4;--h0:#f1efe6;--h1:#fae3a2;--h2:#fbc15e;--h3:#f0923a;--h4:#d9632f;--h5:#ad3549;
--h6:#7d2359;--h7:#4a1557;--h8:#1a0a2c}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#14181d;--ink:#e6e9ec;--quiet:#9aa5b1;--rule:#343c45;--box:#1d232a;
--native:#4f9fd6;--lent:#f0a91a;--cell:#a86a00;
--k0:#56b4e9;--k1:#f0803c;--k2:#2bc498;--k3:#e08fbd;--k4:#e6b94d;
--k5:#8fcaf0;--h0:#262d35;--h1:#43265c;--h2:#70265f;--h3:#a8354f;--h4:#d45c36;--h5:#ef8a37;
--h6:#f9b653;--h7:#fddf83;--h8:#fff8d6}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1rem 4rem;overflow-wrap:anywhere}
h1{font-size:1.75rem;line-height:1.2;font-weight:650;margin:0 0 .4rem;letter-spacing:-.01em}
h2{font-size:1.2rem;line-height:1.3;margin:3rem 0 .6rem;padding-top:.7rem;
border-top:1px solid var(--rule)}
h3{font-size:1rem;line-height:1.35;margin:0 0 .6rem}
p,dl,ul{margin:0 0 .8rem;max-width:46rem}
.sub,figcaption,.note{color:var(--quiet)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}
dt{color:var(--quiet)}dd{margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(16rem,45%),1fr));
gap:.75rem;margin:0 0 1rem;padding:0;list-style:none;max-width:none}
.cards li{background:var(--box);border:1px solid var(--rule);border-radius:.5rem;
padding:.7rem .85rem}
.cards b{display:block;font-size:clamp(1.05rem,4.4vw,1.35rem);line-height:1.3;font-weight:650;
font-variant-numeric:tabular-nums}
.cards span{font-size:.85rem;line-height:1.35;color:var(--quiet);display:block}
.wide{overflow-x:auto;margin:0 0 1rem}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;
overflow-wrap:normal}
th,td{padding:.3rem .45rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th{font-weight:600;color:var(--quiet);vertical-align:bottom;line-height:1.25;white-space:normal;
min-width:4rem}
th:first-child,td:first-child{text-align:left;padding-left:0;min-width:0}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));
gap:0 2rem;align-items:start}
figure{margin:1rem 0 1.4rem;min-width:0;break-inside:avoid}
figcaption,.note{font-size:.85rem;line-height:1.45;margin-top:.5rem;max-width:46rem}
figure table{margin-top:.2rem}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.2rem;font-size:.85rem;margin:.3rem 0 0;padding:0;
list-style:none;max-width:none}
figcaption .legend{margin-bottom:.6rem}
.legend svg{display:inline-block;width:1.6rem;height:.8rem;margin-right:.45rem;
vertical-align:-.05rem}
svg{display:block;width:100%;height:auto}
.single{max-width:28rem}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));
gap:0 2rem;align-items:center}.beside h3{grid-column:1/-1}
text{font-size:11px;fill:var(--ink);font-variant-numeric:tabular-nums}
.e{text-anchor:end}.m{text-anchor:middle}.b{font-weight:600}.q{fill:var(--quiet)}
.s{font-size:9px}
.native{fill:var(--native)}.plain{fill:var(--k2)}.lent{fill:var(--lent)}.box{fill:var(--box)}
.grid{stroke:var(--rule);stroke-width:.7;fill:none}
.mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 2;fill:none}
.rib{fill:var(--native);fill-opacity:.26}.ribmany{fill:var(--native);fill-opacity:.1}
.riblent{fill:var(--lent);fill-opacity:.75}
.node{fill:var(--quiet)}
.k,.k0,.k1,.k2,.k3,.k4,.k5{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke:var(--quiet)}
.k0{stroke:var(--k0)}.k1{stroke:var(--k1);stroke-dasharray:7 3}
.k2{stroke:var(--k2);stroke-dasharray:2 2}.k3{stroke:var(--k3);stroke-dasharray:9 3 2 3}
.k4{stroke:var(--k4);stroke-dasharray:4 4}.k5{stroke:var(--k5);stroke-dasharray:12 4}
.range{fill:var(--native);fill-opacity:.28}.half{fill:var(--native);fill-opacity:.75}
.dot{fill:var(--ink)}
.h0{fill:var(--h0)}.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}
.h5{fill:var(--h5)}.h6{fill:var(--h6)}.h7{fill:var(--h7)}.h8{fill:var(--h8)}
.h0,.h1,.h2,.h3,.h4,.h5,.h6,.h7,.h8{shape-rendering:crispEdges}
.c1,.c2,.c3,.c4,.c5{fill:var(--cell)}
.c1{fill-opacity:.14}.c2{fill-opacity:.28}.c3{fill-opacity:.44}.c4{fill-opacity:.62}
.c5{fill-opacity:.85}
@media print{main{max-width:none;padding:0}body{font-size:10pt}h2,h3{break-after:avoid}
h2{margin-top:1.6rem}.wide{overflow:visible}svg[style]{min-width:0!important}
tr,.cards li{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

}  // namespace llep::tool
