"""What a synchronized connection takes and refuses (RFC 9293 §3.10.7.4, RFC 5961, RFC 2018, RFC 2883, RFC 7323, RFC 3168)."""
import random

from frames import ACK, CWR, ECE, M32, PSH, RST, SYN, URG
from peer import Peer, echo, frame

ECT0, MARKED = 2, 3


def traffic_class(six, value):
    return {'traffic_class' if six else 'tos': value}


def a_syn_is_challenged(station, six):
    for flags, offset, timestamps in ((SYN, 0, False), (SYN, 5000, False), (SYN, 1 << 30, False), (SYN, 0, True), (SYN | ACK, -300, False)):
        peer = Peer(station, six, timestamps=timestamps).open()
        peer.say(flags, seq=peer.next + offset, options=b'\2\4\5\xb4')
        answer = peer.want('a challenge')
        assert (answer.flags, answer.seq, answer.ack) == (ACK, peer.received, peer.next), answer
        peer.echoes()
        peer.abort()


def only_an_exact_reset_ends(station, six):
    peer = Peer(station, six).open()
    for offset in (-1, 70_000, -1000):
        peer.say(RST, seq=peer.next + offset)
    peer.nothing('resets outside of the window')
    peer.say(RST, seq=peer.next + 1)
    assert peer.want('a challenge').flags == ACK
    peer.echoes()
    peer.say(RST, seq=peer.next)
    peer.is_gone()


def acknowledgements_of_what_was_never_sent_are_refused(station, six):
    for offset in (5000, -200_000):
        peer = Peer(station, six).open()
        peer.say(ACK | PSH, frame(b'hello'), ack=peer.received + offset)
        came = peer.everything()
        assert [one.flags for one in came] == [ACK] and came[0].ack == peer.next, came
        peer.abort()
    peer = Peer(station, six).open()
    peer.say(ACK | PSH, frame(b'hello'), ack=peer.received - 100)
    assert peer.want('the echo: an old acknowledgement is none, its data is data', lambda one: one.data).data == echo(b'hello')
    peer.abort()


def damaged_segments_are_dropped(station, six):
    peer = Peer(station, six).open()
    peer.say(ACK | PSH, frame(b'hello'), damaged=True)
    peer.say(ACK | PSH, frame(b'hello'), words=4)
    peer.say(ACK | PSH, words=15)
    peer.say(PSH, frame(b'hello'))
    peer.nothing('damaged segments, and data without an acknowledgement')
    peer.echoes(reserved=15)
    peer.echoes(flags=ACK | PSH | URG, urgent=3)
    peer.echoes(flags=ACK)
    peer.abort()


def duplicates_and_overlaps_are_delivered_once(station, six):
    for sack in (False, True):
        peer = Peer(station, six, sack=sack).open()
        first, begin = frame(b'0123456789' * 10), peer.next
        peer.echoes(b'0123456789' * 10)
        peer.say(ACK | PSH, first, seq=begin)
        answer = peer.want('an acknowledgement')
        assert not answer.data and answer.ack == peer.next, answer
        assert answer.blocks == ([(begin, peer.next)] if sack else []), answer.blocks
        second = frame(b'abcdefghij' * 10)
        peer.say(ACK | PSH, first[-50:] + second[:60], seq=peer.next - 50)
        peer.say(ACK | PSH, second[40:], seq=peer.next + 40)
        peer.next += len(second)
        assert peer.take(len(echo(b'abcdefghij' * 10))) == echo(b'abcdefghij' * 10)
        peer.abort()


def any_order_is_put_right(station, six):
    order = random.Random(5)
    for sack in (False, True):
        peer = Peer(station, six, sack=sack).open()
        payload = bytes(range(200)) * 5
        whole = frame(payload)
        parts = [(at, whole[at:at + 100]) for at in range(0, len(whole), 100)]
        for at, part in order.sample(parts, len(parts)):
            peer.say(ACK, part, seq=peer.next + at)
        peer.next = (peer.next + len(whole)) & M32
        assert peer.take(len(echo(payload))) == echo(payload)
        peer.abort()


def blocks_name_what_came_last_first(station, six):
    peer = Peer(station, six, sack=True).open()
    bytes_, begin = frame(b'm' * 5000), peer.next

    def piece(number):
        peer.say(ACK, bytes_[number * 100:number * 100 + 100], seq=begin + number * 100)
        answer = peer.want('an acknowledgement')
        return [((one - begin) // 100, (two - begin) // 100) for one, two in answer.blocks]

    for number, blocks in ((2, [(2, 3)]), (4, [(4, 5), (2, 3)]), (6, [(6, 7), (4, 5), (2, 3)]), (8, [(8, 9), (6, 7), (4, 5), (2, 3)]),
                           (10, [(10, 11), (8, 9), (6, 7), (4, 5)]), (3, [(2, 5), (10, 11), (8, 9), (6, 7)]),
                           (8, [(8, 9), (8, 9), (2, 5), (10, 11)])):
        assert piece(number) == blocks, number
    peer.abort()
    peer = Peer(station, six, sack=True, timestamps=True).open()
    begin = peer.next
    assert [len(piece(number)) for number in (2, 4, 6, 8)] == [1, 2, 3, 3]
    peer.abort()


def what_lies_outside_of_the_window_is_acknowledged(station, six):
    peer = Peer(station, six).open()
    for offset in (40 << 20, 80 << 20):
        peer.say(ACK | PSH, b'zzzz', seq=peer.next + offset)
        answer = peer.want('an acknowledgement')
        assert (answer.flags, answer.seq, answer.ack) == (ACK, peer.received, peer.next), answer
    for data in (b'', b'\0'):
        for _ in range(3):
            peer.say(ACK, data, seq=peer.next - 1)
            assert peer.want('the answer to a keepalive').ack == peer.next
    peer.echoes()
    peer.abort()


def timestamps_follow_what_is_in_order(station, six):
    peer = Peer(station, six, timestamps=True).open()
    peer.clock = 5000
    peer.write(frame(b'one'))
    echoed = peer.want('the echo', lambda one: one.data)
    assert echoed.timestamps[1] == 5000
    peer.received = echoed.end
    peer.say()
    peer.everything()
    two = frame(b'two!' * 10)
    peer.clock = 6000
    peer.say(ACK, two[20:], seq=peer.next + 20)
    assert peer.want('an acknowledgement').timestamps[1] == 5000, 'what is out of order does not count'
    peer.clock = 6100
    peer.say(ACK, two[:20])
    assert peer.want('the rest', lambda one: one.ack == (peer.next + len(two)) & M32).timestamps[1] == 6100
    peer.next = (peer.next + len(two)) & M32
    peer.take(len(echo(b'two!' * 10)))
    peer.everything()
    peer.clock = 100
    peer.say(ACK | PSH, frame(b'old'))
    came = peer.everything()
    assert [one.flags for one in came] == [ACK] and came[0].ack == peer.next, 'PAWS'
    peer.clock = 7000
    peer.say(ACK | PSH, frame(b'none'), options=b'')
    peer.nothing('data without a timestamp')
    peer.echoes(b'new')
    peer.clock = 50
    peer.say(RST)
    peer.clock = 8000
    peer.is_gone()


def congestion_marks_are_echoed_until_told(station, six):
    peer = Peer(station, six, ecn=True).open()

    def answer(mark, flags=ACK | PSH):
        peer.write(frame(b'e'), flags=flags, **traffic_class(six, mark))
        segment = peer.want('the echo', lambda one: one.data)
        peer.received = segment.end
        peer.say()
        peer.everything()
        assert segment.traffic_class & 3 == ECT0, 'new data is capable'
        return bool(segment.flags & ECE)

    assert [answer(ECT0), answer(MARKED), answer(ECT0), answer(ECT0, ACK | PSH | CWR)] == [False, True, True, False]
    peer.say(ACK, b'\x82', **traffic_class(six, ECT0))
    pure = peer.want('an acknowledgement')
    assert not pure.data and pure.traffic_class & 3 == 0
    peer.abort()
    peer = Peer(station, six).open()
    peer.write(frame(b'n'), **traffic_class(six, MARKED))
    segment = peer.want('the echo', lambda one: one.data)
    assert not segment.flags & ECE and segment.traffic_class & 3 == 0
    peer.abort()


CHECKS = [a_syn_is_challenged, only_an_exact_reset_ends, acknowledgements_of_what_was_never_sent_are_refused, damaged_segments_are_dropped,
          duplicates_and_overlaps_are_delivered_once, any_order_is_put_right, blocks_name_what_came_last_first,
          what_lies_outside_of_the_window_is_acknowledged, timestamps_follow_what_is_in_order, congestion_marks_are_echoed_until_told]
