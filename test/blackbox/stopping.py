"""What a server that is told to stop says to its peers arrives, as if a kernel went on with it (RFC 9293 §3.6: CLOSE is reliable)."""
import os
import signal

from frames import ACK, FIN
from peer import Peer, frame


def a_stop_waits_for_its_last_words(station, six, pid):
    peer = Peer(station, six).open()
    os.kill(pid, signal.SIGTERM)
    goodbye = peer.want('a close frame', lambda one: one.data)
    assert goodbye.data[:1] == b'\x88' and goodbye.data[2:4] == b'\x03\xe9', goodbye.data
    peer.received = goodbye.end
    peer.write(frame(b'\x03\xe9', opcode=8))
    end = peer.want('a FIN', lambda one: one.flags & FIN)
    for _ in range(2):
        again = peer.want('the FIN again: it was not acknowledged', lambda one: one.flags & FIN)
        assert again.seq == end.seq
    peer.received = end.end
    peer.say(ACK | FIN)
