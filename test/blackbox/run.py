"""run.py DEVICE OWN4 OWN6 TARGET4 TARGET6 PID [PART OF A NAME]: examines a TCP/IP stack that echoes WebSocket messages on port 9000, from the
other end of a link, and says `ok NAME` or `not ok NAME: WHY` for each check, `done` behind the last, which stops the server's process PID."""
import sys
import traceback
from functools import partial

import closing
import hardening
import network
import opening
import recovery
import segments
import sending
import stopping
from frames import Station


def checks(part, pid):
    for module in (opening, segments, sending, closing, network, recovery, hardening):
        for check in module.CHECKS:
            for six in getattr(check, 'families', (False, True)):
                name = f'{check.__name__} {"IPv6" if six else "IPv4"}'
                if part in name:
                    yield name, check, six
    yield 'a_stop_waits_for_its_last_words IPv4', partial(stopping.a_stop_waits_for_its_last_words, pid=pid), False


def main(device, own4, own6, target4, target6, pid, part=''):
    station = Station(device, own4, own6, target4, target6)
    station.resolve()
    for name, check, six in checks(part, int(pid)):
        try:
            check(station, six)
            print(f'ok {name}', flush=True)
        except (AssertionError, ValueError, OSError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f'not ok {name}: {error} ({where.filename.rsplit("/", 1)[-1]}:{where.lineno})'.replace('\n', ' '), flush=True)
    print('done', flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
