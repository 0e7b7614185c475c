/**
 * A world whose time passes only when nothing is left to do: timers of the code under test, and whatever the simulation plans. One seed
 * gives one order of events.
 */

import { setImmediate as realImmediate } from 'node:timers';
import { seeded, type Random } from '../support/random.js';

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  /** Whose it is: what a process had planned dies with it. */
  readonly owner: object | null;
  isDropped: boolean;
}

/** What setTimeout and the others give: the code under test calls unref on it. */
class Handle {
  task: Task | null = null;
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
}

const START = 1_800_000_000_000;

export class VirtualTime {
  readonly random: Random;
  #now = 0;
  #order = 0;
  #owner: object | null = null;
  readonly #tasks = new Heap();
  readonly #gone = new WeakSet<object>();

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** Milliseconds since the Unix epoch, and since the start. */
  readonly now = (): number => START + this.#now;
  readonly monotonic = (): number => this.#now;

  /** Belongs to whoever runs now. */
  readonly setTimeout = (run: () => void, ms = 0): Handle => this.plan(this.#owner, ms, run);

  readonly setInterval = (run: () => void, ms: number): Handle => {
    const handle = new Handle();
    const again = (): void => {
      handle.task = this.setTimeout(() => {
        again();
        run();
      }, ms).task;
    };
    again();
    return handle;
  };

  /** Timers that this sets are the owner's. */
  as<T>(owner: object, run: () => T): T {
    const before = this.#owner;
    this.#owner = owner;
    try {
      return run();
    } finally {
      this.#owner = before;
    }
  }

  plan(owner: object | null, ms: number, run: () => void): Handle {
    const handle = new Handle();
    const task: Task = { at: this.#now + Math.max(0, ms), order: (this.#order += 1), run, owner, isDropped: false };
    handle.task = task;
    this.#tasks.push(task);
    return handle;
  }

  /** Forgets everything that belongs to it. */
  drop(owner: object): void {
    this.#gone.add(owner);
  }

  readonly clear = (handle: unknown): void => {
    if (handle instanceof Handle && handle.task !== null) handle.task.isDropped = true;
  };

  /** Promise of a moment. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.setTimeout(resolve, ms));
  }

  /** Runs what is planned until `ms` have passed, letting promises settle after each step; then calls `after`. */
  async run(ms: number, after: () => void): Promise<void> {
    const until = this.#now + ms;
    for (let task = this.#tasks.pop(until); task !== null; task = this.#tasks.pop(until)) {
      if (task.isDropped || (task.owner !== null && this.#gone.has(task.owner))) continue;
      this.#now = Math.max(this.#now, task.at);
      this.#owner = task.owner;
      task.run();
      // A turn of the real event loop: every promise that can settle has done so.
      await new Promise<void>((resolve) => void realImmediate(resolve));
      this.#owner = null;
      after();
    }
    this.#now = until;
  }
}

/** Tasks by time, then in the order in which they were planned. */
class Heap {
  readonly #tasks: Task[] = [];

  push(task: Task): void {
    const tasks = this.#tasks;
    let at = tasks.push(task) - 1;
    for (let above = (at - 1) >> 1; at > 0 && isBefore(task, tasks[above] as Task); above = (at - 1) >> 1) {
      tasks[at] = tasks[above] as Task;
      at = above;
    }
    tasks[at] = task;
  }

  /** The first task that is due by `until`, or null. */
  pop(until: number): Task | null {
    const tasks = this.#tasks;
    const first = tasks[0];
    if (first === undefined || first.at > until) return null;
    const last = tasks.pop() as Task;
    if (tasks.length > 0) this.#sink(last);
    return first;
  }

  #sink(task: Task): void {
    const tasks = this.#tasks;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= tasks.length) break;
      if (below + 1 < tasks.length && isBefore(tasks[below + 1] as Task, tasks[below] as Task)) below += 1;
      if (!isBefore(tasks[below] as Task, task)) break;
      tasks[at] = tasks[below] as Task;
      at = below;
    }
    tasks[at] = task;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Has everything that is called meanwhile see this time and these random numbers. */
export async function within<T>(time: VirtualTime, work: () => Promise<T>): Promise<T> {
  const real = {
    setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval, setImmediate: globalThis.setImmediate,
    clearTimeout: globalThis.clearTimeout, clearInterval: globalThis.clearInterval, clearImmediate: globalThis.clearImmediate,
  };
  const { random } = Math;
  Object.assign(globalThis, {
    setTimeout: time.setTimeout, setInterval: time.setInterval, setImmediate: (run: () => void) => time.setTimeout(run, 0),
    clearTimeout: time.clear, clearInterval: time.clear, clearImmediate: time.clear,
  });
  Math.random = () => time.random.below(2 ** 30) / 2 ** 30;
  try {
    return await work();
  } finally {
    Object.assign(globalThis, real);
    Math.random = random;
  }
}
