"""A TCP endpoint that keeps its numbers and leaves everything else to the check."""
import itertools
import random
import struct

from frames import ACK, CWR, ECE, FIN, M32, PATIENCE_S, PSH, RST, SYN, TCP

REQUEST = (b'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
           b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
PART = 1200
PORTS = itertools.count(10_000)


def frame(payload, opcode=2):
    """A client's WebSocket frame (RFC 6455 §5.2), masked with zeros."""
    return echo(payload, opcode, mask=True)


def echo(payload, opcode=2, mask=False):
    length, bit = len(payload), 0x80 if mask else 0
    head = bytes([bit | length]) if length < 126 else bytes([bit | 126]) + struct.pack('!H', length)
    return bytes([0x80 | opcode]) + head + (b'\0' * 4 if mask else b'') + payload


class Peer:
    def __init__(self, station, six, port=9000, **offer):
        """`offer`: mss (None: none), timestamps, sack, shift, ecn, window, iss."""
        self.station, self.six, self.port = station, six, port
        self.own_port = next(PORTS)
        self.offer = {'mss': 1400, 'timestamps': False, 'sack': False, 'shift': None, 'ecn': False, **offer}
        self.window = offer.get('window', 65_535)
        self.clock = 1000
        self.echoed = 0
        self.iss = offer.get('iss', random.getrandbits(32))
        self.next = self.iss
        self.received = None
        self.answer = None
        self.ended = None  # the segment whose FIN came with the last bytes that were taken

    # ---- saying ----

    def offered(self):
        options = b''
        if self.offer['mss'] is not None:
            options += struct.pack('!BBH', 2, 4, self.offer['mss'])
        if self.offer['sack']:
            options += b'\4\2'
        if self.offer['timestamps']:
            options += struct.pack('!BBII', 8, 10, self.clock, 0)
        if self.offer['shift'] is not None:
            options += struct.pack('!BBB', 3, 3, self.offer['shift'])
        return options

    def say(self, flags=ACK, data=b'', seq=None, ack=None, options=None, blocks=(), window=None, urgent=0, words=None, reserved=0,
            damaged=False, **ip):
        seq = self.next if seq is None else seq
        ack = ((self.received or 0) if flags & ACK else 0) if ack is None else ack
        if options is None:
            options = struct.pack('!HBBII', 0x0101, 8, 10, self.clock, self.echoed) if self.offer['timestamps'] else b''
            if blocks:
                options += struct.pack('!HBB', 0x0101, 5, 2 + 8 * len(blocks))
                options += b''.join(struct.pack('!II', begin & M32, end & M32) for begin, end in blocks)
        options = options.ljust((len(options) + 3) // 4 * 4, b'\0')
        words = (20 + len(options)) // 4 if words is None else words
        window = self.window if window is None else window
        numbers = (self.own_port, self.port, seq & M32, ack & M32, words << 4 | reserved, flags, window, 0, urgent)
        body = struct.pack('!HHIIBBHHH', *numbers) + options + data
        total = self.station.upper_sum(self.six, TCP, body) ^ (0x55AA if damaged else 0)
        body = body[:16] + struct.pack('!H', total) + body[18:]
        (self.station.send6 if self.six else self.station.send4)(TCP, body, **ip)

    def write(self, data, flags=ACK | PSH, **more):
        for at in range(0, len(data), PART):
            self.say(flags, data[at:at + PART], **more)
            self.next = (self.next + len(data[at:at + PART])) & M32

    # ---- hearing ----

    def mine(self, frame_):
        """A segment of this connection that is no repetition of what was acknowledged."""
        segment = self.station.segment(frame_)
        if segment is None or (segment.source, segment.target) != (self.port, self.own_port):
            return None
        known = self.received is not None and (self.received - segment.end) & M32 < M32 // 2
        if known and segment.end != segment.seq:
            return None
        if 8 in segment.options:
            self.echoed = segment.timestamps[0]
        return segment

    def want(self, what, condition=lambda segment: True):
        came = []
        for frame_ in self.station.frames(PATIENCE_S):
            segment = self.mine(frame_)
            if segment is not None and condition(segment):
                return segment
            if segment is not None:
                came.append(segment)
        raise AssertionError(f'{what} did not come, but {came}')

    def everything(self):
        """All that is answered to what was said so far."""
        return [segment for segment in map(self.mine, self.station.until_answered()) if segment is not None]

    def nothing(self, what):
        came = self.everything()
        assert not came, f'{what}: came {came}'

    def take(self, count):
        """So many bytes of the stream, acknowledged as they come."""
        out = b''
        while len(out) < count:
            segment = self.want(f'{count - len(out)} more bytes', lambda one: one.data)
            if segment.seq != self.received:
                continue
            out += segment.data
            self.received = segment.end
            self.ended = segment if segment.flags & FIN else None
            self.say()
        return out

    # ---- whole conversations ----

    def syn(self, **more):
        marks = ECE | CWR if self.offer['ecn'] else 0
        self.say(SYN | marks, seq=self.iss, **{'options': self.offered(), **more})

    def half_open(self, **more):
        self.syn(**more)
        self.answer = self.want('a SYN-ACK', lambda one: one.flags & SYN)
        assert self.answer.flags & ACK and self.answer.ack == (self.iss + 1) & M32, self.answer
        self.received, self.next = self.answer.end, (self.iss + 1) & M32
        return self

    def open(self):
        """Three segments, and a WebSocket behind them; nothing is owed to either side."""
        self.half_open()
        self.say()
        self.upgrade()
        return self

    def upgrade(self):
        self.write(REQUEST)
        head = self.want('101', lambda one: one.data)
        assert head.data.startswith(b'HTTP/1.1 101'), head.data
        self.received = head.end
        self.say()
        self.everything()

    def echoes(self, payload=b'here', **more):
        self.write(frame(payload), **more)
        out = self.take(len(echo(payload)))
        assert out == echo(payload), 'what came back is not what was sent'
        self.everything()

    def is_gone(self):
        self.say(ACK, seq=self.next, ack=self.received)
        gone = self.want('a reset, for there is no such connection any more')
        assert gone.flags == RST and gone.seq == self.received, gone

    def server_closes(self):
        """A closing handshake of WebSocket's; returns the FIN, which is not acknowledged."""
        self.write(frame(b'\x03\xe8', opcode=8))
        while True:
            segment = self.want('a close frame and a FIN', lambda one: one.data or one.flags & FIN)
            if segment.flags & FIN:
                return segment
            self.received = segment.end

    def abort(self):
        self.say(RST | ACK)
