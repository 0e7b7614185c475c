"""A station made of raw frames: it says exactly what a check wants said, and hears everything."""
import random
import socket
import struct
import time

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
M32 = 0xFFFFFFFF
ETHERNET_V4, ETHERNET_V6, ETHERNET_ARP, ETHERNET_VLAN = 0x0800, 0x86DD, 0x0806, 0x8100
ICMP, TCP, UDP, ICMPV6, FRAGMENT, HOP_BY_HOP, ROUTING, DESTINATION = 1, 6, 17, 58, 44, 0, 43, 60
ALL_NODES = bytes.fromhex('ff02' + '00' * 13 + '01')
BROADCAST = b'\xff' * 6

# Nothing here depends on how fast the machine is: this only ends what would never come.
PATIENCE_S = 30


def ipv4_only(check):
    check.families = (False,)
    return check


def ipv6_only(check):
    check.families = (True,)
    return check


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Segment:
    """A TCP segment that came, its checksums good."""

    def __init__(self, bytes_, traffic_class, dont_fragment):
        fields = struct.unpack('!HHIIBBHHH', bytes_[:20])
        self.source, self.target, self.seq, self.ack, offset, self.flags, self.window = fields[:7]
        self.traffic_class, self.dont_fragment = traffic_class, dont_fragment
        header = (offset >> 4) * 4
        self.data = bytes_[header:]
        self.options = {}
        rest = bytes_[20:header]
        while rest and rest[0] != 0:
            if rest[0] == 1:
                rest = rest[1:]
                continue
            self.options[rest[0]] = rest[2:rest[1]]
            rest = rest[rest[1]:]

    @property
    def end(self):
        return (self.seq + len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)) & M32

    @property
    def timestamps(self):
        return struct.unpack('!II', self.options[8])

    @property
    def blocks(self):
        value = self.options.get(5, b'')
        return [struct.unpack('!II', value[at:at + 8]) for at in range(0, len(value), 8)]

    def __repr__(self):
        flags = ''.join(name for bit, name in enumerate('FSRPAUEW') if self.flags >> bit & 1)
        return f'<{flags} {self.seq} ack {self.ack} win {self.window} len {len(self.data)} options {sorted(self.options)}>'


class Station:
    """One host on the device's link, with a neighbour that is under test."""

    def __init__(self, device, own4, own6, target4, target6):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        self.socket.bind((device, 0))
        self.mac = bytes.fromhex('020000007777')
        self.own4, self.target4 = socket.inet_aton(own4), socket.inet_aton(target4)
        self.own6, self.target6 = (socket.inet_pton(socket.AF_INET6, text) for text in (own6, target6))
        self.neighbor = None
        self.barriers = 0

    # ---- saying ----

    def ethernet(self, target, kind, body, tag=None):
        vlan = b'' if tag is None else struct.pack('!HH', ETHERNET_VLAN, tag)
        self.socket.send((target + self.mac + vlan + struct.pack('!H', kind) + body).ljust(60, b'\0'))

    def ipv4(self, protocol, body, source=None, target=None, ttl=64, tos=0, options=b'', fragment=0, ident=None, **wrong):
        """`wrong`: checksum, length, version and header length as they should not be."""
        ident = random.getrandbits(16) if ident is None else ident
        header = 20 + len(options)
        first = wrong.get('version', 4) << 4 | wrong.get('words', header // 4)
        fields = (first, tos, wrong.get('length', header + len(body)), ident, fragment, ttl, protocol, 0)
        packet = struct.pack('!BBHHHBBH4s4s', *fields, source or self.own4, target or self.target4) + options
        total = checksum(packet) ^ (0x1234 if wrong.get('damaged') else 0)
        return packet[:10] + struct.pack('!H', total) + packet[12:] + body

    def ipv6(self, following, body, source=None, target=None, hops=64, traffic_class=0):
        first = 6 << 28 | traffic_class << 20
        return struct.pack('!IHBB16s16s', first, len(body), following, hops, source or self.own6, target or self.target6) + body

    def send4(self, protocol, body, tag=None, mac=None, **fields):
        self.ethernet(mac or self.neighbor, ETHERNET_V4, self.ipv4(protocol, body, **fields), tag)

    def send6(self, following, body, tag=None, mac=None, **fields):
        self.ethernet(mac or self.neighbor, ETHERNET_V6, self.ipv6(following, body, **fields), tag)

    def upper_sum(self, six, protocol, body, source=None, target=None):
        if six:
            pseudo = (source or self.own6) + (target or self.target6) + struct.pack('!II', len(body), protocol)
        else:
            pseudo = (source or self.own4) + (target or self.target4) + struct.pack('!HH', protocol, len(body))
        return checksum(pseudo + body)

    def icmpv6(self, message, **addresses):
        return message[:2] + struct.pack('!H', self.upper_sum(True, ICMPV6, message, **addresses)) + message[4:]

    # ---- hearing ----

    def frames(self, patience_s=PATIENCE_S):
        """What the neighbour sends, but for its questions about our addresses, which are answered."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                frame, origin = self.socket.recvfrom(70_000)
            except (TimeoutError, BlockingIOError):
                return
            if origin[2] != socket.PACKET_OUTGOING and frame[6:12] != self.mac and not self.answered(frame):
                yield frame

    def answered(self, frame):
        kind = int.from_bytes(frame[12:14], 'big')
        if kind == ETHERNET_ARP and frame[20:22] == b'\0\1' and frame[38:42] == self.own4:
            self.arp(2, frame[6:12], frame[22:28], frame[28:32])
            return True
        if kind == ETHERNET_V6 and frame[20] == ICMPV6 and frame[54] == 135 and frame[62:78] == self.own6:
            message = struct.pack('!BBHI', 136, 0, 0, 0x60000000) + self.own6 + b'\2\1' + self.mac
            self.send6(ICMPV6, self.icmpv6(message, target=frame[22:38]), mac=frame[6:12], target=frame[22:38], hops=255)
            return True
        return False

    def arp(self, operation, to, target_mac, target, sender=None, sender_mac=None):
        head = struct.pack('!HHBBH', 1, ETHERNET_V4, 6, 4, operation)
        sender = self.own4 if sender is None else sender
        self.ethernet(to, ETHERNET_ARP, head + (sender_mac or self.mac) + sender + target_mac + target)

    def segment(self, frame):
        """The TCP segment in a frame; None where there is none."""
        kind = int.from_bytes(frame[12:14], 'big')
        if kind == ETHERNET_V4 and frame[23] == TCP:
            header, total = (frame[14] & 15) * 4, int.from_bytes(frame[16:18], 'big')
            body = frame[14 + header:14 + total]
            assert checksum(frame[14:14 + header]) == 0, 'an IPv4 header with a wrong checksum'
            assert self.upper_sum(False, TCP, body, frame[26:30], frame[30:34]) == 0, 'a segment with a wrong checksum'
            return Segment(body, frame[15], bool(frame[20] & 0x40))
        if kind == ETHERNET_V6 and frame[20] == TCP:
            body = frame[54:54 + int.from_bytes(frame[18:20], 'big')]
            assert self.upper_sum(True, TCP, body, frame[22:38], frame[38:54]) == 0, 'a segment with a wrong checksum'
            return Segment(body, int.from_bytes(frame[14:18], 'big') >> 20 & 0xFF, True)
        return None

    def resolve(self):
        self.arp(1, BROADCAST, b'\0' * 6, self.target4)
        for frame in self.frames():
            if frame[12:14] == b'\x08\x06' and frame[20:22] == b'\0\2' and frame[28:32] == self.target4:
                self.neighbor = frame[6:12]
                return
        raise AssertionError('nobody answers for the address under test')

    def until_answered(self):
        """All frames up to when everything that was said before this has been dealt with: what comes is taken in order, so two questions,
        one behind the other's answer, to a port where nobody listens come back behind all that is owed for what was before them."""
        for _ in range(2):
            self.barriers += 1
            body = struct.pack('!HHIIBBHHH', 7, 7, 0, self.barriers, 0x50, ACK, 0, 0, 0)
            self.send4(TCP, body[:16] + struct.pack('!H', self.upper_sum(False, TCP, body)) + body[18:])
            for frame in self.frames():
                segment = self.segment(frame)
                if segment is not None and segment.target == 7 and segment.seq == self.barriers:
                    break
                yield frame
            else:
                raise AssertionError('a closed port does not answer')
