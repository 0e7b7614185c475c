/** The page's style: light and dark by the reader's preference, prints well. */
export const STYLE = `
:root { --ink: #1c2430; --soft: #5d6b7d; --paper: #ffffff; --panel: #f5f7fa; --edge: #dde3ea; --good: #0f7b4a; --bad: #b3261e;
  --uws: #8a6d3b; --ws: #7a869a; --epoll: #2d7dd2; --uring: #0aa38f; --dpdk: #8e44ad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7ecf3; --soft: #9aa7b8; --paper: #12161c; --panel: #1a2029; --edge: #2c3541; --good: #4cc38a; --bad: #ff8a80;
    --uws: #c9a366; --ws: #8f9bb0; --epoll: #5aa2ea; --uring: #2fcdb6; --dpdk: #c58be0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 0 0 2px; }
h3 { font-size: 14px; margin: 16px 0 4px; color: var(--soft); }
p { margin: 4px 0; } .soft { color: var(--soft); } code { font-size: 13px; }
section { background: var(--panel); border: 1px solid var(--edge); border-radius: 10px; padding: 20px 22px; margin: 22px 0;
  overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px; margin: 22px 0; }
.tile { background: var(--panel); border: 1px solid var(--edge); border-radius: 10px; padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; } .tile.good b { color: var(--good); } .tile.bad b { color: var(--bad); }
svg { width: 100%; max-width: 820px; height: auto; display: block; margin: 8px 0; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .name, svg .end { text-anchor: end; } svg .tick { fill: var(--soft); font-size: 11px; text-anchor: middle; }
svg .tick.end { text-anchor: end; }
svg .value { font-weight: 600; paint-order: stroke; stroke: var(--panel); stroke-width: 4px; }
svg .grid { stroke: var(--edge); } svg .whisker { stroke: var(--ink); opacity: .55; }
svg .dot { fill: var(--ink); opacity: .5; } svg .target { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg .line { fill: none; stroke-width: 2.2; } svg .line.twin { stroke-dasharray: 4 4; } svg .bar.twin { opacity: .55; }
svg .key { font-weight: 600; }
.c-uws { fill: var(--uws); stroke: var(--uws); } .c-ws { fill: var(--ws); stroke: var(--ws); }
.c-sluice-epoll { fill: var(--epoll); stroke: var(--epoll); } .c-sluice-uring { fill: var(--uring); stroke: var(--uring); }
.c-sluice-dpdk { fill: var(--dpdk); stroke: var(--dpdk); } svg text.key.c-sluice-dpdk { fill: var(--dpdk); }
svg text.key { stroke: none; } svg text.key.c-uws { fill: var(--uws); } svg text.key.c-ws { fill: var(--ws); }
svg text.key.c-sluice-epoll { fill: var(--epoll); } svg text.key.c-sluice-uring { fill: var(--uring); }
svg .bar { stroke: none; } svg .line { fill: none; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin-top: 8px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 8px; border-top: 1px solid var(--edge); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child, .about { text-align: left; } td.about { white-space: normal; text-align: left; }
.goal, .met { color: var(--good); } .missed { color: var(--bad); }
@media print { section, .tile { break-inside: avoid; } }
`;
