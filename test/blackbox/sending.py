"""How it sends: windows, losses, closed windows, paths that are too narrow (RFC 5681, RFC 6298, RFC 6928, RFC 9293 §3.8, RFC 1191)."""
import struct

from frames import ACK, CWR, ECE, ICMP, ICMPV6, M32, TCP, checksum
from peer import Peer, echo, frame


def all_of(peer, count):
    """So many segments of data, each once, in the order of their numbers."""
    segments = {}
    while len(segments) < count:
        segment = peer.want('data', lambda one: one.data)
        segments.setdefault((segment.seq - peer.received) & M32, segment)
    return [segments[key] for key in sorted(segments)]


def ten_segments_at_first(station, six):
    peer = Peer(station, six, mss=1000, window=60_000).open()
    peer.write(frame(b'i' * 40_000))
    segments = all_of(peer, 10)
    more = [one for one in peer.everything() if one.data and (one.seq - segments[-1].end) & M32 < 1 << 20]
    assert all(len(one.data) == 1000 for one in segments)
    # One more is the probe for a tail that was lost (RFC 8985 §7).
    assert len({one.seq for one in more}) <= 1, more
    peer.abort()


def what_is_not_acknowledged_is_sent_again(station, six):
    peer = Peer(station, six, ecn=True).open()
    peer.write(frame(b'again'))
    first = peer.want('the echo', lambda one: one.data)
    for _ in range(3):
        again = peer.want('the same again', lambda one: one.data)
        assert (again.seq, again.data, again.traffic_class & 3) == (first.seq, first.data, 0), again
    peer.received = first.end
    peer.say()
    peer.echoes()
    peer.abort()


def three_duplicates_say_that_one_was_lost(station, six):
    for sack in (False, True):
        peer = Peer(station, six, mss=1000, window=60_000, sack=sack).open()
        peer.write(frame(b'f' * 9990))
        segments = all_of(peer, 10)
        peer.everything()
        for last in segments[1:5]:
            peer.say(blocks=[(segments[1].seq, last.end)] if sack else ())
        again = peer.want('the first again', lambda one: one.data and one.seq == segments[0].seq)
        assert again.data == segments[0].data
        peer.received = segments[-1].end
        peer.say()
        peer.echoes()
        peer.abort()


def a_closed_window_is_asked_until_it_opens(station, six):
    peer = Peer(station, six).open()
    peer.window = 0
    peer.write(frame(b'w' * 3000))
    assert not any(one.data for one in peer.everything()), 'data into a closed window'
    for _ in range(3):
        probe = peer.want('a probe', lambda one: one.seq != peer.received or one.data)
        assert len(probe.data) <= 1 and (peer.received - probe.seq) & M32 <= 1, probe
        peer.say()
    peer.window = 65_535
    peer.say()
    assert peer.take(len(echo(b'w' * 3000))) == echo(b'w' * 3000)
    peer.abort()


def a_window_of_five_bytes_is_no_invitation(station, six):
    peer = Peer(station, six).open()
    peer.window = 5
    peer.write(frame(b's' * 3000))
    first = peer.want('something in the end (RFC 9293 §3.8.6.2.1)', lambda one: one.data)
    assert len(first.data) <= 5, first
    peer.window, peer.received = 65_535, first.end
    peer.say()
    peer.take(len(echo(b's' * 3000)) - len(first.data))
    peer.abort()


def a_window_that_shrinks_is_respected(station, six):
    peer = Peer(station, six, mss=1000, window=10_000).open()
    peer.write(frame(b'k' * 20_000))
    segments = all_of(peer, 10)
    assert (segments[-1].end - peer.received) & M32 <= 10_000
    peer.everything()
    peer.received, peer.window = segments[2].end, 1000
    peer.say()
    beyond = [one for one in peer.everything() if one.data and (one.seq - segments[-1].end) & M32 < 1 << 20]
    assert not beyond, beyond
    peer.want('again what is out', lambda one: one.data and one.seq == segments[3].seq)
    peer.window, peer.received = 20_000, segments[-1].end
    peer.say()
    peer.take(len(echo(b'k' * 20_000)) - 10_000)
    peer.abort()


def windows_are_scaled_by_fourteen_at_most(station, six):
    for shift in (14, 15):
        peer = Peer(station, six, mss=1000, shift=shift, window=1).open()
        peer.write(frame(b'v' * 50_000))
        sent = [(one.end - peer.received) & M32 for one in all_of(peer, 10) + peer.everything() if one.data]
        assert 9000 < max(sent) <= 1 << 14, max(sent)
        peer.abort()


def its_own_window_closes_and_opens(station, six):
    peer = Peer(station, six).open()
    peer.window = 0
    stream, sent, edge = frame(b'b' * 60_000) * 400, 0, (peer.next + 20_000) & M32
    answer = None
    while answer is None or answer.window != 0 or answer.ack != peer.next:
        room = (edge - peer.next) & M32
        if 0 < room < 1 << 20:
            part = min(room, 1200)
            peer.write(stream[sent:sent + part], flags=ACK)
            sent += part
            continue
        answer = peer.want('a window')
        edge = (answer.ack + answer.window) & M32
    for data, seq in ((stream[sent:sent + 1], peer.next), (b'', peer.next - 1)):
        peer.say(ACK, data, seq=seq)
        answer = peer.want('the answer to a probe', lambda one: one.window == 0)
        assert answer.ack == peer.next, 'a closed window takes nothing'
    peer.window = 65_535
    peer.say()
    while answer.window < 1000:
        answer = peer.want('a window that opens again')
        if answer.data and answer.seq == peer.received:
            peer.received = answer.end
            peer.say()
    peer.say(4)


def congestion_slows_it_down_once(station, six):
    peer = Peer(station, six, ecn=True, mss=1000, window=60_000).open()
    peer.write(frame(b'E' * 30_000))
    segments, more = all_of(peer, 10), []
    for segment in segments:
        peer.received = segment.end
        peer.say(ACK | ECE)
        more += [one for one in peer.everything() if one.data]
    assert len([one for one in more if one.flags & CWR]) == 1, more
    peer.abort()


def icmp_error(station, peer, kind, code, rest, seq, port=None, cut=None, damaged=False):
    """About a segment that the other side sent, or might have."""
    header = struct.pack('!HHIIBBHHH', peer.port, port or peer.own_port, seq & M32, 0, 0x50, ACK, 100, 0, 0)
    if peer.six:
        quote = struct.pack('!IHBB16s16s', 6 << 28, len(header), TCP, 64, station.target6, station.own6) + header
    else:
        quote = station.ipv4(TCP, header, source=station.target4, target=station.own4)
    message = struct.pack('!BBHI', kind, code, 0, rest) + quote[:cut]
    total = station.upper_sum(True, ICMPV6, message) if peer.six else checksum(message)
    message = message[:2] + struct.pack('!H', total ^ (0x5A5A if damaged else 0)) + message[4:]
    (station.send6 if peer.six else station.send4)(ICMPV6 if peer.six else ICMP, message)


def a_narrow_path_is_believed_if_it_quotes_what_is_in_flight(station, six):
    peer = Peer(station, six, mss=1460, window=60_000).open()
    peer.write(frame(b'P' * 2900))
    first = all_of(peer, 2)[0]
    peer.everything()
    kind, code, mtu, headers = (2, 0, 1300, 60) if six else (3, 4, 1000, 40)
    for wrong in ({'seq': first.seq + 100_000}, {'port': 1}, {'cut': 24}, {'damaged': True}):
        icmp_error(station, peer, kind, code, mtu, **{'seq': first.seq, **wrong})
    peer.everything()
    again = peer.want('the first again, as large as before', lambda one: one.data and one.seq == first.seq)
    assert again.data == first.data, again
    icmp_error(station, peer, kind, code, mtu, first.seq)
    again = peer.want('the first again, smaller', lambda one: one.data and one.seq == first.seq and len(one.data) < len(first.data))
    assert len(again.data) <= mtu - headers
    peer.received = again.end
    peer.say()
    peer.take(len(echo(b'P' * 2900)) - len(again.data))
    peer.everything()
    peer.write(frame(b'P' * 5000))
    assert all(len(one.data) <= mtu - headers for one in all_of(peer, 3))
    peer.abort()


def errors_do_not_end_what_is_established(station, six):
    peer = Peer(station, six).open()
    peer.write(frame(b'x'))
    segment = peer.want('the echo', lambda one: one.data)
    errors6 = (1, 0), (1, 1), (1, 4), (3, 0), (4, 1)
    errors4 = (3, 0), (3, 1), (3, 2), (3, 3), (4, 0), (5, 1), (11, 0), (12, 0)
    for kind, code in errors6 if six else errors4:
        icmp_error(station, peer, kind, code, 0, segment.seq)
    peer.received = segment.end
    peer.say()
    peer.everything()
    peer.echoes()
    peer.abort()


CHECKS = [ten_segments_at_first, what_is_not_acknowledged_is_sent_again, three_duplicates_say_that_one_was_lost,
          a_closed_window_is_asked_until_it_opens, a_window_of_five_bytes_is_no_invitation, a_window_that_shrinks_is_respected,
          windows_are_scaled_by_fourteen_at_most, its_own_window_closes_and_opens, congestion_slows_it_down_once,
          a_narrow_path_is_believed_if_it_quotes_what_is_in_flight, errors_do_not_end_what_is_established]
