/**
 * Which node a key belongs to: the one with the highest score (rendezvous hashing, Thaler and Ravishankar 1998). When a node comes or
 * goes, only the keys that it gets or had move, and every node computes the same without asking.
 */

const FNV_OFFSET = 0x811c_9dc5;
const FNV_PRIME = 0x0100_0193;

/** 32 bits; FNV-1a over UTF-16 units, then a finaliser (MurmurHash3's), because names that differ in a digit must score apart. */
function hash(text: string): number {
  let h = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), FNV_PRIME);
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The node that `key` belongs to; null where there is none. Ties are broken by name. */
export function rendezvous<N extends { readonly node: string }>(key: string, nodes: readonly N[]): N | null {
  let best: N | null = null;
  let bestScore = -1;
  for (const node of nodes) {
    const score = hash(`${node.node}\0${key}`);
    if (score > bestScore || (score === bestScore && best !== null && node.node < best.node)) {
      best = node;
      bestScore = score;
    }
  }
  return best;
}
