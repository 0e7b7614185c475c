/** Names that are told to others: users, channels, keys, devices. */

/** C0 and C1 controls, and surrogates without their other half, which UTF-8 cannot express. */
const NOT_PLAIN = /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u;

/** Letters, digits and common signs of ASCII: most names, decided at once. */
const SIMPLE = new Uint8Array(128);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@#+-') SIMPLE[char.charCodeAt(0)] = 1;

/** Whether `text` has 1 to `maxBytes` bytes of UTF-8 and neither control characters nor halves of surrogate pairs. */
export function isName(text: string, maxBytes: number): boolean {
  if (text === '' || text.length > maxBytes) return false;
  if (isSimple(text)) return true;
  return Buffer.byteLength(text) <= maxBytes && !NOT_PLAIN.test(text);
}

function isSimple(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (SIMPLE[text.charCodeAt(i)] !== 1) return false;
  return true;
}
