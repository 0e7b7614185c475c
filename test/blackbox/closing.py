"""Ends (RFC 9293 §3.6, §3.10.7.4, RFC 1337, RFC 6191, RFC 2525 §2.17)."""
from frames import ACK, FIN, M32, PSH, RST, SYN
from peer import Peer, echo, frame


def says_fin(peer, **more):
    peer.say(ACK | FIN, **more)
    peer.next = (peer.next + 1) & M32


def acknowledged(peer):
    return peer.want('an acknowledgement of our FIN', lambda one: one.ack == peer.next)


def the_peer_closes(station, six):
    peer = Peer(station, six).open()
    says_fin(peer)
    answer = acknowledged(peer)
    end = answer if answer.flags & FIN else peer.want('a FIN', lambda one: one.flags & FIN)
    again = peer.want('the FIN again', lambda one: one.flags & FIN)
    assert again.seq == end.seq
    peer.say(ACK | FIN, seq=peer.next - 1)
    acknowledged(peer)
    peer.received = end.end
    peer.say()
    peer.is_gone()


def a_fin_counts_when_all_before_it_is_there(station, six):
    peer = Peer(station, six).open()
    payload = b'last words' * 30
    whole = frame(payload)
    peer.say(ACK | FIN | PSH, whole[100:], seq=peer.next + 100)
    assert peer.want('an acknowledgement').ack == peer.next
    peer.say(ACK, whole[:100])
    peer.next = (peer.next + len(whole) + 1) & M32
    assert peer.take(len(echo(payload))) == echo(payload)
    end = peer.ended or peer.want('a FIN', lambda one: one.flags & FIN)
    assert end.ack == peer.next
    peer.received = end.end
    peer.say()
    peer.is_gone()


def nothing_counts_behind_a_fin(station, six):
    peer = Peer(station, six).open()
    says_fin(peer)
    peer.say(ACK | PSH, frame(b'late'))
    assert not any(one.data for one in peer.everything())
    peer.abort()


def the_other_side_closes_first(station, six):
    peer = Peer(station, six).open()
    peer.received = peer.server_closes().end
    peer.say()
    peer.nothing('FIN-WAIT-2')
    says_fin(peer)
    assert not acknowledged(peer).flags & RST
    peer.say(RST)
    peer.say(ACK | FIN, seq=peer.next - 1)
    assert acknowledged(peer).flags == ACK, 'TIME-WAIT, in spite of the reset'
    peer.say()
    peer.nothing('TIME-WAIT')
    peer.say(SYN, seq=peer.next + 1000, options=b'\2\4\5\xb4')
    answer = peer.want('a SYN-ACK', lambda one: one.flags & SYN)
    assert answer.ack == (peer.next + 1001) & M32 and (answer.seq - peer.received) & M32 < 1 << 31, answer
    peer.say(RST, seq=peer.next + 1001)


def both_close_at_once(station, six):
    for reset in (False, True):
        peer = Peer(station, six).open()
        end = peer.server_closes()
        says_fin(peer, ack=end.seq + len(end.data))
        acknowledged(peer)
        if reset:
            peer.say(RST)
            peer.say(ACK | FIN, seq=peer.next - 1, ack=end.end)
            assert peer.want('a reset: it is closed', lambda one: not one.flags & FIN).flags == RST
            continue
        peer.received = end.end
        peer.say()
        peer.everything()
        peer.say(ACK | FIN, seq=peer.next - 1)
        assert acknowledged(peer).flags == ACK, 'TIME-WAIT'


def resets_end_every_state(station, six):
    peer = Peer(station, six).open()
    says_fin(peer)
    end = peer.want('a FIN: LAST-ACK', lambda one: one.flags & FIN)
    peer.say(RST)
    peer.received = end.end
    peer.is_gone()
    peer = Peer(station, six).open()
    end = peer.server_closes()
    peer.say(RST)
    peer.received = end.end
    peer.is_gone()


def data_that_nobody_will_read_is_reset(station, six):
    peer = Peer(station, six).open()
    peer.received = peer.server_closes().end
    peer.say()
    peer.write(b'more than was asked for')
    peer.want('a reset', lambda one: one.flags & RST)


def numbers_wrap(station, six):
    for iss in (0xFFFFFFFF, 0xFFFFF000, 0x7FFFFFFE, 0):
        peer = Peer(station, six, iss=iss, sack=True).open()
        peer.echoes(b'wrap' * 2000)
        peer.abort()


CHECKS = [the_peer_closes, a_fin_counts_when_all_before_it_is_there, nothing_counts_behind_a_fin, the_other_side_closes_first,
          both_close_at_once, resets_end_every_state, data_that_nobody_will_read_is_reset, numbers_wrap]
