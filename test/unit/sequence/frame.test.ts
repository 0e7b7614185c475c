import t from 'tap';
import { frameHeaderBytes } from '../../../src/engine/frame-header.js';
import { headerLine, historyFrame, historyFrames, jsonText, writeDelivery } from '../../../src/sequence/frame.js';
import { payload } from './fake-port.js';

function delivery(channel: string, from: string, body: Uint8Array, text = true): Buffer {
  const channelText = jsonText(channel);
  const fromText = jsonText(from);
  const header = headerLine({
    channelJson: channelText.json,
    senderJson: fromText.json,
    id: '123456789012345678',
    seq: 2 ** 40,
    clientTs: null,
    serverTs: 1_750_000_000_000,
    lamport: 9,
    clock: '',
  });
  const bytes = channelText.ascii && fromText.ascii ? header.length : Buffer.byteLength(header);
  const length = bytes + 1 + body.length;
  const target = Buffer.alloc(frameHeaderBytes(length) + length + 8, 0xee);
  const at = writeDelivery(target, 4, header, bytes, body.length, text);
  target.set(body, at);
  t.equal(at + body.length, target.length - 4);
  t.equal(target.readUInt32BE(0), 0xeeeeeeee);
  t.equal(target.readUInt32BE(target.length - 4), 0xeeeeeeee);
  return target.subarray(4, target.length - 4);
}

t.test('frames of every length form, ASCII and not', async (t) => {
  for (const size of [0, 1, 300, 65_000, 65_536, 200_000]) {
    for (const [channel, from] of [['room', 'ann'], ['räum "1"', 'ann'], ['room', '☃🙂'], ['\u007f\\', '\u0080']] as const) {
      const body = Buffer.alloc(size, 'x');
      const text = payload(delivery(channel, from, body));
      const newline = text.indexOf('\n');
      t.match(JSON.parse(text.slice(0, newline)), {
        op: 'msg',
        channel,
        from,
        id: '123456789012345678',
        server_seq: 2 ** 40,
        client_ts: null,
        lamport: 9,
      });
      t.equal(text.length - newline - 1, size);
    }
  }
});

t.test('a history frame says whose answer it is and is the same otherwise', async (t) => {
  for (const size of [0, 20, 65_300, 65_535, 100_000]) {
    for (const text of [true, false]) {
      const frame = delivery('room ☃', 'ann', Buffer.alloc(size, 'y'), text);
      const history = historyFrame(frame, 4711);
      t.equal(history[0], frame[0]);
      t.equal(payload(history), payload(frame).replace('{"op":"msg",', '{"op":"msg","history":4711,'));
    }
  }
});

t.test('the frames of a run as one piece', async (t) => {
  const frames = [delivery('a', 'b', Buffer.from('one')), delivery('a', 'b', Buffer.alloc(500, 'z'))];
  const run = {
    firstSeq: 1,
    lastSeq: 2,
    frames: Buffer.concat(frames),
    ends: Uint32Array.of(frames[0]!.length, frames[0]!.length + frames[1]!.length),
  };
  t.strictSame(historyFrames(run, 5), Buffer.concat(frames.map((frame) => historyFrame(frame, 5))));
});
