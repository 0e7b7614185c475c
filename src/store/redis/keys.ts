/** Keys of a channel. All have its hash tag, so that one script can reach them in a cluster. */

/** A tag ends at the first brace, so a name must not have one. */
function tag(channel: string): string {
  return channel.replace(/[%}]/g, (character) => (character === '%' ? '%25' : '%7D'));
}

export class ChannelKeys {
  readonly head: string;
  readonly stream: string;
  readonly news: string;
  readonly presence: string;
  readonly #seen: string;
  /** Messages and bytes of an entry of the stream, on average of what was read last. */
  size: { readonly messages: number; readonly bytes: number } | null = null;

  constructor(prefix: string, channel: string) {
    const name = `{${prefix}${tag(channel)}}`;
    this.head = `${name}:h`;
    this.stream = `${name}:m`;
    this.news = `${name}:n`;
    this.presence = `${name}:p`;
    this.#seen = `${name}:k`;
  }

  /** Publish keys are kept in sets by time: the present one and the one before are asked. */
  seen(now: number, setMs: number): readonly [string, string] {
    const index = Math.floor(now / setMs);
    return [`${this.#seen}${index}`, `${this.#seen}${index - 1}`];
  }
}

/** The channel of a news key. */
export function channelOfNews(prefix: string, key: string): string {
  return key.slice(prefix.length + 1, key.lastIndexOf('}')).replace(/%(25|7D)/g, (_, code: string) => (code === '25' ? '%' : '}'));
}
