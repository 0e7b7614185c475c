"""Openings (RFC 9293 §3.5, §3.10.7.1 to §3.10.7.4), and what SYNs agree on."""
from frames import ACK, CWR, ECE, FIN, M32, PSH, RST, SYN, URG
from peer import Peer, frame


def only_what_was_offered_is_agreed_on(station, six):
    plain = Peer(station, six).half_open()
    assert set(plain.answer.options) == {2} and not plain.answer.flags & (ECE | CWR), plain.answer
    assert plain.answer.options[2] == (1440 if six else 1460).to_bytes(2, 'big') and plain.answer.dont_fragment
    plain.abort()
    full = Peer(station, six, timestamps=True, sack=True, shift=7, ecn=True).half_open()
    assert set(full.answer.options) == {2, 3, 4, 8} and full.answer.flags & (ECE | CWR) == ECE, full.answer
    assert full.answer.timestamps[1] == full.clock
    full.abort()


def odd_options_are_passed_over(station, six):
    for options in ('02000000', '02030500', 'fe046162', 'feff0000', '00020401', '01010101', '02', '0806000000000000', '03040101',
                    '22020101', '1e0c00000000000000000000', 'fd000000', '020405b404020218'):
        peer = Peer(station, six).half_open(options=bytes.fromhex(options))
        peer.abort()
    peer = Peer(station, six).open()
    for options in ('fe000000', '02040030', '05030000', '050a01010101010101010000', '03030100', 'feff0101'):
        peer.echoes(options=bytes.fromhex(options))
    peer.abort()


def segments_are_as_large_as_the_peer_takes(station, six):
    for announced, most in ((None, 1220 if six else 536), (48, 48), (64, 64), (536, 536), (1000, 1000)):
        peer = Peer(station, six, mss=announced).open()
        peer.write(frame(b'q' * 3000))
        segment = peer.want('data', lambda one: one.data)
        assert len(segment.data) == most, (announced, len(segment.data))
        peer.abort()


def a_syn_that_comes_again_gets_the_same_answer(station, six):
    peer = Peer(station, six).half_open()
    first, peer.received = peer.answer, None
    again = peer.want('the answer by its timer', lambda one: one.flags & SYN)
    assert (again.seq, again.ack) == (first.seq, first.ack)
    peer.received = first.end
    peer.say()
    peer.upgrade()
    peer.abort()


def syn_with_data_and_third_segment_with_fin(station, six):
    peer = Peer(station, six)
    peer.syn(data=b'GET ')
    peer.answer = peer.want('a SYN-ACK', lambda one: one.flags & SYN)
    peer.received, peer.next = peer.answer.end, (peer.iss + 1) & M32
    peer.upgrade()
    peer.abort()
    peer = Peer(station, six).half_open()
    peer.say(ACK | FIN)
    peer.want('its acknowledgement', lambda one: one.ack == (peer.next + 1) & M32)
    peer.abort()


def a_wrong_acknowledgement_does_not_open(station, six):
    for offset in (-1, 1, 1000, -1000, 1 << 31):
        peer = Peer(station, six).half_open()
        wrong = (peer.received + offset) & M32
        peer.say(ACK, ack=wrong)
        reset = peer.want('a reset')
        assert reset.flags == RST and reset.seq == wrong, reset
        peer.say()
        peer.upgrade()
        peer.abort()


def half_open_connections_check_segments(station, six):
    peer = Peer(station, six).half_open()
    peer.say(PSH, b'no acknowledgement')
    peer.say(RST, seq=peer.next + 100_000)
    peer.nothing('what is not taken')
    peer.say(ACK, b'x', seq=peer.next + 100_000)
    answer = peer.want('an acknowledgement')
    assert (answer.flags, answer.seq, answer.ack) == (ACK, peer.received, peer.next), answer
    peer.say(RST, seq=peer.next + 5)
    assert peer.want('a challenge').flags == ACK
    peer.say()
    peer.upgrade()
    peer.abort()
    peer = Peer(station, six).half_open()
    peer.say(RST, seq=peer.next)
    peer.is_gone()
    peer = Peer(station, six).half_open()
    peer.say(SYN, seq=peer.next + 500, options=b'\2\4\5\xb4')
    peer.nothing('a SYN within the window')
    peer.iss, peer.received = peer.next + 500, None
    peer.half_open()
    peer.abort()


def closed_ports_reset(station, six):
    peer = Peer(station, six, port=4444)
    for flags, data, seq, ack, want in ((SYN, b'', 1000, 0, (RST | ACK, 0, 1001)), (FIN | PSH, b'12345', 1000, 0, (RST | ACK, 0, 1006)),
                                        (0, b'12', 1000, 0, (RST | ACK, 0, 1002)), (ACK, b'', 1000, 777, (RST, 777, 0)),
                                        (SYN | ACK, b'', 1000, 99, (RST, 99, 0))):
        peer.say(flags, data, seq=seq, ack=ack)
        reset = peer.want('a reset')
        assert (reset.flags, reset.seq, reset.ack) == want, (flags, reset)
    peer.say(RST, seq=1000)
    peer.say(RST | ACK, seq=1000, ack=1)
    peer.say(ACK, seq=1, ack=2, damaged=True)
    peer.nothing('resets and damaged segments')


def listeners_answer_acknowledgements_only(station, six):
    peer = Peer(station, six)
    for flags, data, ack in ((ACK, b'', 777), (ACK | FIN, b'data', 778), (SYN | ACK, b'', 779)):
        peer.say(flags, data, seq=1000, ack=ack)
        reset = peer.want('a reset')
        assert reset.flags == RST and reset.seq == ack, reset
    for flags in (RST, RST | ACK, 0, FIN, URG | PSH | FIN, SYN | RST, SYN | FIN):
        peer.say(flags, seq=1000, ack=1)
    peer.nothing('what opens nothing')


CHECKS = [only_what_was_offered_is_agreed_on, odd_options_are_passed_over, segments_are_as_large_as_the_peer_takes,
          a_syn_that_comes_again_gets_the_same_answer, syn_with_data_and_third_segment_with_fin, a_wrong_acknowledgement_does_not_open,
          half_open_connections_check_segments, closed_ports_reset, listeners_answer_acknowledgements_only]
