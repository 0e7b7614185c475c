"""TIME-WAIT by timestamps, path MTUs at their edges, neighbours that move, limits, cookies (RFC 6191, RFC 1191, RFC 8201, RFC 4861,
RFC 5227, RFC 5961, RFC 4987)."""
import random
import struct

from frames import ACK, BROADCAST, FIN, FRAGMENT, ICMPV6, M32, PSH, RST, SYN, TCP
from peer import Peer, echo, frame
from sending import all_of, icmp_error


def timestamps_decide_in_time_wait(station, six):
    for later in (True, False):
        peer = Peer(station, six, timestamps=True).open()
        peer.clock += 100
        peer.received = peer.server_closes().end
        peer.say()
        peer.everything()
        peer.say(ACK | FIN)
        peer.next = (peer.next + 1) & M32
        peer.want('TIME-WAIT', lambda one: one.ack == peer.next)
        peer.everything()
        stamp = struct.pack('!BBHBBII', 2, 4, 1400, 8, 10, peer.clock + (50 if later else -50), 0)
        seq = peer.next - 50_000 if later else peer.next + 50_000
        peer.say(SYN, seq=seq, options=stamp)
        answer = peer.want('an answer')
        if later:
            assert answer.flags & SYN and answer.ack == (seq + 1) & M32, answer
            peer.say(RST, seq=seq + 1, options=b'')
        else:
            assert answer.flags == ACK and answer.ack == peer.next, answer


def mtus_at_their_edges(station, six):
    # What is said, and the most that a packet may have then; None: nothing changes.
    cases = ((1280, 1280), (1279, 1280), (68, 1280), (0, None), (9000, None)) if six else \
            ((1492, 1492), (0, 1492), (576, 576), (200, 576), (9000, None))
    for mtu, most in cases:
        peer = Peer(station, six, mss=1460, window=60_000).open()
        peer.write(frame(b'e' * 2900))
        first = all_of(peer, 2)[0]
        peer.everything()
        icmp_error(station, peer, 2 if six else 3, 0 if six else 4, mtu, first.seq)
        again = peer.want('the first again', lambda one: one.data and one.seq == first.seq)
        total = len(again.data) + (60 if six else 40)
        want = most or len(first.data) + (60 if six else 40)
        # Nothing below IPv6's least is believed; whether such a message counts as "least" is the stack's choice (RFC 8201 §4).
        assert total == want or (six and mtu < 1280 and total == 1500), (mtu, total, want)
        peer.abort()


def a_neighbour_that_moved_is_found(station, six):
    peer = Peer(station, six).open()
    old, new = station.mac, bytes.fromhex('020000008888')
    try:
        station.mac = new
        if six:
            message = struct.pack('!BBHI', 136, 0, 0, 0x20000000) + station.own6 + b'\2\1' + new
            group = bytes.fromhex('ff02' + '00' * 13 + '01')
            station.send6(ICMPV6, station.icmpv6(message, target=group), mac=b'\x33\x33' + group[-4:], target=group, hops=255)
        else:
            station.arp(1, BROADCAST, b'\0' * 6, station.own4)
        peer.write(frame(b'moved'))
        for got in station.frames():
            segment = station.segment(got)
            if segment is not None and segment.target == peer.own_port and segment.data:
                if got[:6] == new:
                    break
    finally:
        station.mac = old
    # And back.
    if six:
        message = struct.pack('!BBHI', 136, 0, 0, 0x20000000) + station.own6 + b'\2\1' + old
        station.send6(ICMPV6, station.icmpv6(message, target=group), mac=b'\x33\x33' + group[-4:], target=group, hops=255)
    else:
        station.arp(1, BROADCAST, b'\0' * 6, station.own4)
    assert got[:6] == new, 'the answer went to where the neighbour had been'
    peer.received = segment.end
    peer.say()
    peer.echoes()
    peer.abort()


def challenges_are_limited(station, six):
    """RFC 5961 §7: not each of a thousand SYNs is answered; data still is."""
    peer = Peer(station, six).open()
    for _ in range(1000):
        peer.say(SYN, seq=peer.next + 5)
    answers = [one for one in peer.everything() if one.flags == ACK]
    assert 1 <= len(answers) < 50, len(answers)
    peer.say(ACK | PSH, b'zz', seq=peer.next + (40 << 20))
    assert peer.want('an acknowledgement').ack == peer.next
    peer.echoes()
    peer.abort()


def small_segments_fill_no_memory(station, six):
    """CVE-2018-5390: holes between single bytes; the connection lives, and what fills them is taken."""
    peer = Peer(station, six, sack=True).open()
    whole = frame(b'z' * 4000)
    for at in range(1, len(whole), 2):
        peer.say(ACK, whole[at:at + 1], seq=peer.next + at)
    answers = peer.everything()
    assert all(one.ack == peer.next for one in answers)
    peer.write(whole, flags=ACK)
    assert peer.take(len(echo(b'z' * 4000))) == echo(b'z' * 4000)
    peer.abort()


def cookies_open_what_has_no_record(station, six):
    """RFC 4987 §3.6: more half-open connections than are kept of one address."""
    crowd = [Peer(station, six) for _ in range(1200)]
    for one in crowd:
        one.say(SYN, seq=one.iss, options=one.offered())
    crowd[0].everything()
    for offer in ({}, {'timestamps': True, 'sack': True, 'shift': 7}, {'mss': 536}):
        peer = Peer(station, six, **offer).half_open()
        peer.say()
        peer.upgrade()
        peer.write(frame(b'c' * 3000))
        out = b''
        while len(out) < 3004:
            segment = peer.want('data', lambda one: one.data and one.seq == peer.received)
            assert len(segment.data) <= peer.offer['mss']
            out += segment.data
            peer.received = segment.end
            peer.say()
        assert out == echo(b'c' * 3000)
        peer.abort()
        # A guess opens nothing.
        peer = Peer(station, six, **offer)
        peer.received, peer.next = random.getrandbits(32), (peer.iss + 1) & M32
        peer.say(ACK | PSH, b'GET / HTTP/1.1')
        assert not [one for one in peer.everything() if one.flags != RST]
    for one in crowd:
        one.say(RST, seq=one.iss + 1)
    crowd[0].everything()


def segments_in_fragments_are_taken(station, six):
    peer = Peer(station, six).open()
    sent, sends = [], ('send6' if six else 'send4')
    send = getattr(station, sends)
    setattr(station, sends, lambda protocol, body, **more: sent.append(body))
    try:
        peer.say(ACK | PSH, frame(b'f' * 900))
    finally:
        delattr(station, sends)
    body = sent[0]
    peer.next = (peer.next + len(frame(b'f' * 900))) & M32
    ident = random.getrandbits(16)
    for at in (800, 0, 400):
        part, more = body[at:at + 400], at + 400 < len(body)
        if six:
            send(FRAGMENT, struct.pack('!BBHI', TCP, 0, at | more, ident) + part)
        else:
            send(TCP, part, fragment=at // 8 | more << 13, ident=ident)
    assert peer.take(len(echo(b'f' * 900))) == echo(b'f' * 900)
    peer.abort()


def resets_with_data_or_syn(station, six):
    peer = Peer(station, six).open()
    peer.say(RST | ACK, b'why it was reset')
    peer.is_gone()
    peer = Peer(station, six).open()
    peer.say(RST | SYN)
    peer.is_gone()


def data_stands_in_for_a_lost_third_segment(station, six):
    peer = Peer(station, six, timestamps=True).half_open()
    peer.upgrade()
    peer.echoes()
    peer.abort()


CHECKS = [timestamps_decide_in_time_wait, mtus_at_their_edges, a_neighbour_that_moved_is_found, challenges_are_limited,
          small_segments_fill_no_memory, segments_in_fragments_are_taken, resets_with_data_or_syn,
          data_stands_in_for_a_lost_third_segment,
          cookies_open_what_has_no_record]
