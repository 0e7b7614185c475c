import { Chat } from './chat.js';
import { Dashboard } from './dashboard.js';
import { byId, setPill } from './dom.js';

const channel = byId<HTMLInputElement>('channel');
const displayName = byId<HTMLInputElement>('name');
const token = byId<HTMLInputElement>('token');
const text = byId<HTMLInputElement>('text');

let chat: Chat | null = null;

/** The address wins over what was remembered, so that a link leads to a channel. */
function fillIn(): void {
  const query = new URLSearchParams(location.search);
  channel.value = query.get('channel') ?? localStorage.getItem('channel') ?? 'lobby';
  displayName.value = query.get('name') ?? localStorage.getItem('name') ?? `guest-${Math.floor(Math.random() * 900 + 100)}`;
  // Only for this tab: a token is a secret.
  token.value = sessionStorage.getItem('token') ?? '';
}

function join(url: string): void {
  localStorage.setItem('channel', channel.value);
  localStorage.setItem('name', displayName.value);
  sessionStorage.setItem('token', token.value);
  history.replaceState(null, '', `?${new URLSearchParams({ channel: channel.value, name: displayName.value })}`);
  chat?.leave();
  chat = new Chat({ url, channel: channel.value, name: displayName.value, token: token.value });
  chat.start();
}

async function main(): Promise<void> {
  new Dashboard().start();
  fillIn();
  let url: string;
  try {
    const response = await fetch('/page-config.json');
    ({ gateway_url: url } = (await response.json()) as { gateway_url: string });
  } catch {
    setPill(byId('state'), 'bad', 'Reload the page');
    return;
  }
  join(url);
  byId('join').addEventListener('submit', (event) => {
    event.preventDefault();
    join(url);
    text.focus();
  });
  byId('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    if (text.value.trim() === '') return;
    chat?.send(text.value);
    text.value = '';
  });
  byId('earlier').addEventListener('click', () => chat?.loadEarlier());
}

void main();
