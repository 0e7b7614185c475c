/** Bounded queue between a producer that is told when to stop and async iterators that take turns. */
export class PullQueue<T> {
  readonly #capacity: number;
  readonly #onRoom: () => void;
  readonly #onTaken: (item: T) => void;
  #items: T[] = [];
  /** Index of the first item not taken; avoids shifting the array for every item. */
  #first = 0;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: Error) => void }[] = [];
  #wasFull = false;
  #ended = false;
  #error: Error | null = null;

  /** `onRoom` is called when a queue that was full has become half empty, `onTaken` when an iterator is given an item. */
  constructor(capacity: number, onRoom: () => void, onTaken: (item: T) => void) {
    this.#capacity = capacity;
    this.#onRoom = onRoom;
    this.#onTaken = onTaken;
  }

  get size(): number {
    return this.#items.length - this.#first;
  }

  /** False when it is full: the item was not taken, and onRoom will follow. */
  push(item: T): boolean {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      this.#onTaken(item);
      waiter.resolve({ value: item, done: false });
      return true;
    }
    if (this.size >= this.#capacity) {
      this.#wasFull = true;
      return false;
    }
    this.#items.push(item);
    return true;
  }

  /** What is queued, which leaves it empty. */
  drain(): T[] {
    const items = this.#items.slice(this.#first);
    this.#items = [];
    this.#first = 0;
    this.#roomMade();
    return items;
  }

  /** Iterators finish what is queued, then end, or throw the error. */
  end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const waiter of this.#waiting.splice(0)) {
      if (error === null) waiter.resolve({ value: undefined, done: true });
      else waiter.reject(error);
    }
  }

  pull(): Promise<IteratorResult<T>> {
    if (this.size > 0) {
      const value = this.#items[this.#first] as T;
      this.#first += 1;
      if (this.#first >= 1024 || this.#first === this.#items.length) {
        this.#items = this.#items.slice(this.#first);
        this.#first = 0;
      }
      this.#roomMade();
      this.#onTaken(value);
      return Promise.resolve({ value, done: false });
    }
    if (this.#ended) {
      return this.#error === null ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(this.#error);
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #roomMade(): void {
    if (!this.#wasFull || this.size > this.#capacity / 2) return;
    this.#wasFull = false;
    this.#onRoom();
  }
}
