"""Recovery with SACK, probes of a tail, and a link that loses a third (RFC 2018, RFC 6675, RFC 8985)."""
import random
import time

from frames import ACK, M32, PSH
from peer import Peer, echo, frame
from sending import all_of


def data_of(segments):
    return [one for one in segments if one.data]


def only_holes_are_sent_again(station, six):
    peer = Peer(station, six, mss=1000, window=60_000, sack=True).open()
    peer.write(frame(b'h' * 9990))
    sent = all_of(peer, 10)
    peer.everything()
    # The first and the fourth are lost.
    peer.say(blocks=[(sent[1].seq, sent[2].end)])
    peer.say(blocks=[(sent[4].seq, sent[9].end), (sent[1].seq, sent[2].end)])
    again = {peer.want('a hole', lambda one: one.data).seq}
    while len(again) < 2:
        again.add(peer.want('the other hole', lambda one: one.data).seq)
    again |= {one.seq for one in data_of(peer.everything())}
    assert again == {sent[0].seq, sent[3].seq}, again
    peer.received = sent[-1].end
    peer.say()
    peer.echoes()
    peer.abort()


def blocks_may_be_taken_back(station, six):
    """RFC 2018 §8: what was only named by SACK is kept, and sent again after a time-out."""
    peer = Peer(station, six, mss=1000, window=60_000, sack=True).open()
    peer.write(frame(b'r' * 4990))
    sent = all_of(peer, 5)
    peer.everything()
    peer.say(blocks=[(sent[1].seq, sent[4].end)])
    peer.want('the hole', lambda one: one.data and one.seq == sent[0].seq)
    peer.received = sent[0].end
    peer.say()
    for one in sent[1:]:
        again = peer.want('what was taken back', lambda got: got.data and got.seq == one.seq)
        assert again.data == one.data[:len(again.data)]
        peer.received = again.end
        peer.say()
    peer.everything()
    peer.echoes()
    peer.abort()


def lies_in_blocks_change_nothing(station, six):
    peer = Peer(station, six, mss=1000, window=60_000, sack=True).open()
    peer.write(frame(b'l' * 9990))
    sent = all_of(peer, 10)
    peer.everything()
    first, last = sent[0].seq, sent[-1].end
    for blocks in ([(last, last + 5000)], [(first + 3000, first + 1000)], [(first - 50_000, first - 40_000)], [(first + 1000, last + 1)],
                   [(first, first)], [(first + (1 << 31), first + (1 << 31) + 9)]):
        peer.say(blocks=blocks)
    peer.everything()
    peer.received = last
    peer.say()
    peer.echoes()
    peer.abort()


def a_lost_tail_is_probed(station, six):
    peer = Peer(station, six, mss=1000, window=60_000, sack=True, timestamps=True).open()
    peer.echoes()
    peer.write(frame(b't' * 3900))
    sent = all_of(peer, 4)
    peer.received = sent[1].end
    peer.say()
    again = peer.want('something again', lambda one: one.data)
    assert again.seq in (sent[2].seq, sent[3].seq)
    peer.say(blocks=[(sent[3].seq, sent[3].end)])
    peer.want('the third', lambda one: one.data and one.seq == sent[2].seq)
    peer.received = sent[3].end
    peer.say()
    peer.echoes()
    peer.abort()


def a_lossy_link_loses_nothing(station, six):
    """A third of all segments is lost both ways, some come twice, some late."""
    for offer in ({}, {'sack': True}, {'sack': True, 'timestamps': True, 'shift': 7}):
        chance = random.Random(str(offer))
        peer = Peer(station, six, **offer).open()
        payloads = [chance.randbytes(chance.randrange(1, 3000)) for _ in range(40)]
        stream, wanted = b''.join(map(frame, payloads)), b''.join(map(echo, payloads))
        begin, first, held, out, acked = peer.next, peer.received, {}, b'', 0
        deadline = time.monotonic() + 120
        while len(out) < len(wanted) or acked < len(stream):
            assert time.monotonic() < deadline, (len(out), len(wanted), acked, len(stream))
            places = [at for at in range(acked, min(acked + 12_000, len(stream)), 1000) if chance.random() > 0.33]
            chance.shuffle(places)
            for at in places:
                peer.say(ACK | PSH, stream[at:at + 1000], seq=begin + at)
            if not places:
                peer.say(ACK, seq=begin + acked)
            for got in map(station.segment, station.until_answered()):
                if got is None or got.target != peer.own_port:
                    continue
                if 8 in got.options:
                    peer.echoed = got.timestamps[0]
                acked = max(acked, (got.ack - begin) & M32)
                assert acked <= len(stream)
                if got.data and chance.random() > 0.33:
                    held[(got.seq - first) & M32] = got.data
                while True:
                    at = next((at for at, data in held.items() if at <= len(out) < at + len(data)), None)
                    if at is None:
                        break
                    out += held.pop(at)[len(out) - at:]
                peer.received, peer.clock = (first + len(out)) & M32, peer.clock + 1
                above = sorted((at, at + len(data)) for at, data in held.items() if at > len(out))
                if chance.random() > 0.33:
                    blocks = [(first + one, first + two) for one, two in above[-3:]] if offer.get('sack') else ()
                    peer.say(ACK, seq=begin + acked, blocks=blocks)
            time.sleep(0.01)
        assert out == wanted
        peer.next = (begin + len(stream)) & M32
        peer.abort()


CHECKS = [only_holes_are_sent_again, blocks_may_be_taken_back, lies_in_blocks_change_nothing, a_lost_tail_is_probed,
          a_lossy_link_loses_nothing]
