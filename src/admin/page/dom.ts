/** The element with this id. Throws when the page lacks it, which only a defect of the page can cause. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Text is always set as text: what others wrote never becomes markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K, className: string, ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...content);
  return made;
}

export type Tone = 'idle' | 'good' | 'warn' | 'bad';

export function setPill(pill: HTMLElement, tone: Tone, text: string): void {
  if (pill.textContent === text && pill.dataset['tone'] === tone) return;
  pill.dataset['tone'] = tone;
  pill.textContent = text;
}
