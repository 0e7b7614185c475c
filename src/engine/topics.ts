/** Names of a plain server's topics, and which rows are in them: two hash steps a subscription, no object per connection. */
export class TopicTable {
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #members: number[] = [];
  readonly #free: number[] = [];
  /** First node of each row's list, -1 when empty. */
  readonly #first: Int32Array;
  #nodeTopic = new Int32Array(64);
  #nodeNext = new Int32Array(64);
  #freeNode = -1;
  #usedNodes = 0;

  constructor(rows: number) {
    this.#first = new Int32Array(rows).fill(-1);
  }

  /** -1 when nobody is subscribed. */
  idOf(name: string): number {
    return this.#ids.get(name) ?? -1;
  }
  nameOf(id: number): string {
    return this.#names[id] ?? '';
  }

  /** The topic's id, or -1 when the row was in it already. */
  join(row: number, name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#free.pop() ?? this.#names.length;
      this.#ids.set(name, id);
      this.#names[id] = name;
      this.#members[id] = 0;
    }
    for (let node = this.#first[row]!; node >= 0; node = this.#nodeNext[node]!) {
      if (this.#nodeTopic[node] === id) return -1;
    }
    const node = this.#takeNode();
    this.#nodeTopic[node] = id;
    this.#nodeNext[node] = this.#first[row]!;
    this.#first[row] = node;
    this.#members[id]!++;
    return id;
  }

  /** The topic's id, or -1 when the row was not in it. */
  leave(row: number, name: string): number {
    const id = this.#ids.get(name);
    if (id === undefined) return -1;
    let before = -1;
    for (let node = this.#first[row]!; node >= 0; before = node, node = this.#nodeNext[node]!) {
      if (this.#nodeTopic[node] !== id) continue;
      if (before < 0) this.#first[row] = this.#nodeNext[node]!;
      else this.#nodeNext[before] = this.#nodeNext[node]!;
      this.#freeOne(node, id);
      return id;
    }
    return -1;
  }

  leaveAll(row: number, each: (id: number) => void): void {
    for (let node = this.#first[row]!; node >= 0; ) {
      const next = this.#nodeNext[node]!;
      const id = this.#nodeTopic[node]!;
      each(id);
      this.#freeOne(node, id);
      node = next;
    }
    this.#first[row] = -1;
  }

  #takeNode(): number {
    if (this.#freeNode >= 0) {
      const node = this.#freeNode;
      this.#freeNode = this.#nodeNext[node]!;
      return node;
    }
    if (this.#usedNodes === this.#nodeTopic.length) {
      this.#nodeTopic = grow(this.#nodeTopic);
      this.#nodeNext = grow(this.#nodeNext);
    }
    return this.#usedNodes++;
  }

  #freeOne(node: number, id: number): void {
    this.#nodeNext[node] = this.#freeNode;
    this.#freeNode = node;
    if (--this.#members[id]! > 0) return;
    this.#ids.delete(this.#names[id]!);
    this.#names[id] = '';
    this.#free.push(id);
  }
}

function grow(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}
