"""What lies below (RFC 791, RFC 792, RFC 826, RFC 1122, RFC 4443, RFC 4861, RFC 5227, RFC 7126, RFC 8200)."""
import random
import socket
import struct

from frames import (ACK, ALL_NODES, BROADCAST, DESTINATION, ETHERNET_ARP, FRAGMENT, HOP_BY_HOP, ICMP, ICMPV6, PSH, ROUTING, UDP, checksum,
                    ipv4_only, ipv6_only)
from peer import Peer, frame


def kind(frame_):
    return int.from_bytes(frame_[12:14], 'big')


def icmp_of(frame_):
    """Type, code and the message; None where it is no ICMP in one piece."""
    if kind(frame_) == 0x0800 and frame_[23] == ICMP and not int.from_bytes(frame_[20:22], 'big') & 0x3FFF:
        message = frame_[34:14 + int.from_bytes(frame_[16:18], 'big')]
        assert checksum(message) == 0
    elif kind(frame_) == 0x86DD and frame_[20] == ICMPV6:
        message = frame_[54:54 + int.from_bytes(frame_[18:20], 'big')]
    else:
        return None
    return message[0], message[1], message


def question(station, six, payload, **addresses):
    message = struct.pack('!BBHHH', 128 if six else 8, 0, 0, random.getrandbits(16), 1) + payload
    total = station.upper_sum(True, ICMPV6, message, **addresses) if six else checksum(message)
    return message[:2] + struct.pack('!H', total) + message[4:]


def replies(station, message):
    """What came back for it: echoes whole and in fragments, and errors."""
    whole, parts = [], {}
    for frame_ in station.until_answered():
        got = icmp_of(frame_)
        if got is not None and (got[0] in (0, 129) and got[2][4:8] == message[4:8] or got[0] in (1, 3, 4, 12)):
            whole.append((got[0], got[1], got[2], frame_))
        if kind(frame_) == 0x0800 and frame_[23] == ICMP and got is None:
            parts[(int.from_bytes(frame_[20:22], 'big') & 0x1FFF) * 8] = frame_[34:14 + int.from_bytes(frame_[16:18], 'big')]
        if kind(frame_) == 0x86DD and frame_[20] == FRAGMENT:
            parts[int.from_bytes(frame_[56:58], 'big') & 0xFFF8] = frame_[62:54 + int.from_bytes(frame_[18:20], 'big')]
    return whole, b''.join(parts[at] for at in sorted(parts))


def pings_of_all_sizes(station, six):
    send = station.send6 if six else station.send4
    for size in (0, 1, 2, 7, 55, 56, 1001, 1451, 1452):
        payload = random.randbytes(size)
        message = question(station, six, payload)
        send(ICMPV6 if six else ICMP, message)
        whole, _ = replies(station, message)
        assert [one[2][8:] for one in whole] == [payload], size
    message = question(station, six, b'class')
    send(ICMPV6 if six else ICMP, message, **{'traffic_class' if six else 'tos': 0xB8})
    (one,), _ = replies(station, message)
    assert (int.from_bytes(one[3][14:18], 'big') >> 20 if six else one[3][15]) & 0xFF == 0xB8


def fragments_are_put_together(station, six):
    for size in (2000, 8001, 20_000):
        message = question(station, six, random.randbytes(size))
        places = list(range(0, len(message), 1232))
        for order in (places, places[::-1], random.sample(places, len(places))):
            ident = random.getrandbits(32)
            for at in order:
                part, more = message[at:at + 1232], at + 1232 < len(message)
                if six:
                    station.send6(FRAGMENT, struct.pack('!BBHI', ICMPV6, 0, at | more, ident) + part)
                else:
                    station.send4(ICMP, part, fragment=at // 8 | more << 13, ident=ident & 0xFFFF)
            _, echoed = replies(station, message)
            assert echoed[8:] == message[8:], size


@ipv4_only
def strange_ipv4_headers(station, six):
    for options in ('01010100', '0707040000000000', '94040000', '4408050000000000', 'fe040000'):
        message = question(station, False, b'abc')
        station.send4(ICMP, message, options=bytes.fromhex(options))
        assert len(replies(station, message)[0]) == 1, options
    refused = ({'damaged': True}, {'version': 5}, {'length': 2000}, {'words': 4}, {'source': b'\x7f\0\0\1'}, {'source': b'\xe0\0\0\1'},
               {'source': station.target4}, {'target': socket.inet_aton('10.200.9.1')}, {'target': b'\xff' * 4},
               {'options': bytes.fromhex('83070400000000') + b'\0'})
    for wrong in refused:
        message = question(station, False, b'abc')
        station.send4(ICMP, message, **wrong)
        assert replies(station, message) == ([], b''), wrong


@ipv6_only
def extension_headers(station, six):
    options, routing = '3a00{}0000000100', '3a02{}' + '00' * 20
    for header, bytes_, want in ((HOP_BY_HOP, '3a00010400000000', (129, 0)), (DESTINATION, '3a00010400000000', (129, 0)),
                                 (ROUTING, routing.format('0000'), (129, 0)), (ROUTING, routing.format('0001'), (4, 0)),
                                 (DESTINATION, '3a00050000000100', (129, 0)), (DESTINATION, '3a00450000000100', None),
                                 (DESTINATION, '3a00850000000100', (4, 2)), (DESTINATION, '3a00c50000000100', (4, 2)),
                                 (FRAGMENT, '3a00000000000007', (129, 0)), (99, '', (4, 1))):
        message = question(station, True, b'q')
        station.send6(header, bytes.fromhex(bytes_) + message)
        whole, _ = replies(station, message)
        assert [one[:2] for one in whole] == ([] if want is None else [want]), (header, bytes_, whole)
    for option, told in ((0x85, True), (0xC5, False)):
        message = question(station, True, b'q', target=ALL_NODES)
        body = bytes([ICMPV6, 0, option, 0, 0, 0, 1, 0]) + message
        station.send6(DESTINATION, body, target=ALL_NODES, mac=b'\x33\x33' + ALL_NODES[-4:])
        assert [one[:2] for one in replies(station, message)[0]] == ([(4, 2)] if told else [])


@ipv4_only
def protocols_that_nobody_speaks(station, six):
    for protocol, body, code in ((UDP, struct.pack('!HHHH', 1, 9000, 12, 0) + b'abcd', 3), (99, b'abcdefgh', 2)):
        station.send4(protocol, body)
        whole, _ = replies(station, b'\0' * 8)
        assert [one[:2] for one in whole] == [(3, code)] and whole[0][2][28:36] == body[:8], protocol


def tags_and_groups(station, six):
    peer = Peer(station, six).open()
    peer.echoes(tag=0x6000)
    peer.say(ACK | PSH, frame(b'other'), tag=5)
    peer.say(ACK | PSH, frame(b'other'), mac=BROADCAST)
    peer.nothing("another VLAN's, and what came to a group")
    peer.abort()


@ipv4_only
def address_resolution(station, six):
    nobody, own = b'\0' * 6, station.target4

    def answers(to, target, **sender):
        station.arp(1, to, nobody, target, **sender)
        return [one for one in station.until_answered() if kind(one) == ETHERNET_ARP]

    for to in (BROADCAST, station.neighbor):
        (reply,) = answers(to, own)
        assert reply[20:22] == b'\0\2' and reply[28:32] == own and reply[:6] == station.mac
    (reply,) = answers(BROADCAST, own, sender=b'\0' * 4)
    assert reply[38:42] == b'\0' * 4, 'a probe'
    assert answers(BROADCAST, socket.inet_aton('10.200.1.99')) == []
    assert answers(BROADCAST, own, sender=b'\xff' * 4) == []
    (reply,) = answers(BROADCAST, own, sender=own, sender_mac=bytes.fromhex('020000000099'))
    assert reply[28:32] == reply[38:42] == own, 'it defends its address'


@ipv6_only
def neighbour_discovery(station, six):
    own, option = station.target6, b'\1\1' + station.mac
    group = bytes.fromhex('ff0200000000000000000001ff') + own[-3:]

    def answers(target, source=None, to=group, options=option, hops=255):
        message = station.icmpv6(struct.pack('!BBHI', 135, 0, 0, 0) + target + options, source=source, target=to)
        mac = station.neighbor if to == own else b'\x33\x33' + to[-4:]
        station.send6(ICMPV6, message, source=source, target=to, hops=hops, mac=mac)
        return [one for one in station.until_answered() if kind(one) == 0x86DD and one[20] == ICMPV6 and one[54] == 136]

    (reply,) = answers(own)
    assert reply[58] & 0xE0 == 0x60 and reply[62:78] == own and reply[21] == 255 and reply[38:54] == station.own6
    assert len(answers(own, to=own, options=b'')) == 1
    (reply,) = answers(own, source=b'\0' * 16, options=b'')
    assert reply[38:54] == ALL_NODES and reply[58] & 0xE0 == 0x20, 'somebody else wants the address'
    assert answers(own, hops=254) == answers(own, source=b'\0' * 16) == answers(own, options=b'\1\0' + b'\0' * 6) == []
    assert answers(station.own6[:-1] + b'\x55') == []


CHECKS = [pings_of_all_sizes, fragments_are_put_together, strange_ipv4_headers, extension_headers, protocols_that_nobody_speaks,
          tags_and_groups, address_resolution, neighbour_discovery]
