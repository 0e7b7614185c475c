/** Parts that die at a step: from then on nothing of them has an effect any more, as of a process that was killed there. */

export class Life {
  /** Steps so far. */
  steps = 0;
  dead = false;
  readonly #dieAt: number;
  readonly #onDeath: () => void;

  /** Dies before step `dieAt` is taken; Infinity never. */
  constructor(dieAt: number, onDeath: () => void) {
    this.#dieAt = dieAt;
    this.#onDeath = onDeath;
  }

  /** Dies now, between two steps. */
  end(): void {
    if (this.dead) return;
    this.dead = true;
    this.#onDeath();
  }

  /** False when the step is not taken. */
  step(): boolean {
    if (!this.dead && this.steps++ === this.#dieAt) {
      this.dead = true;
      this.#onDeath();
    }
    return !this.dead;
  }

  /** The object, whose methods in `promises` and `effects` are steps: what they did to the world is one, that it is heard of another. */
  wrap<T extends object>(target: T, effects: readonly string[], promises: readonly string[] = []): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function' || typeof name !== 'string') return value;
        const call = (...args: unknown[]): unknown => Reflect.apply(value, object, args);
        if (promises.includes(name)) return (...args: unknown[]) => this.#promise(() => call(...args) as Promise<unknown>);
        if (effects.includes(name)) return (...args: unknown[]) => (this.step() ? call(...args) : undefined);
        return call;
      },
    });
  }

  async #promise(call: () => Promise<unknown>): Promise<unknown> {
    if (!this.step()) return new Promise(() => undefined);
    const result = await call();
    return this.step() ? result : new Promise(() => undefined);
  }
}
