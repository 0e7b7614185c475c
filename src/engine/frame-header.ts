/** The header of a server's WebSocket frame (RFC 6455 §5.2): FIN set, no mask. */

const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;

/** Bytes of the header for a payload of this length. */
export function frameHeaderBytes(payload: number): number {
  if (payload < 126) return 2;
  return payload < 65_536 ? 4 : 10;
}

/** Returns where the payload begins. */
export function writeFrameHeader(target: Buffer, at: number, payload: number, text: boolean): number {
  target[at] = text ? FIN_TEXT : FIN_BINARY;
  if (payload < 126) {
    target[at + 1] = payload;
    return at + 2;
  }
  if (payload < 65_536) {
    target[at + 1] = 126;
    target[at + 2] = payload >>> 8;
    target[at + 3] = payload;
    return at + 4;
  }
  target[at + 1] = 127;
  target.writeUInt32BE(Math.floor(payload / 0x1_0000_0000), at + 2);
  target.writeUInt32BE(payload >>> 0, at + 6);
  return at + 10;
}

/** Whether a frame that was written so is a text message. */
export function isTextFrame(frame: Uint8Array): boolean {
  return frame[0] === FIN_TEXT;
}

/** Where the payload of the frame that begins at `at` begins. */
export function payloadStart(frames: Uint8Array, at: number): number {
  const length = frames[at + 1] ?? 0;
  if (length < 126) return at + 2;
  return length === 126 ? at + 4 : at + 10;
}

/** Where the frame that begins at `at` ends. */
export function frameEnd(frames: Buffer, at: number): number {
  const length = frames[at + 1] ?? 0;
  if (length < 126) return at + 2 + length;
  if (length === 126) return at + 4 + frames.readUInt16BE(at + 2);
  return at + 10 + frames.readUIntBE(at + 4, 6);
}
