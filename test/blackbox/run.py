"""run.py DEVICE OWN4 OWN6 TARGET4 TARGET6 [PART OF A NAME]: examines a TCP/IP stack that echoes WebSocket messages on port 9000, from the
other end of a link, and says `ok NAME` or `not ok NAME: WHY` for each check, `done` behind the last."""
import sys
import traceback

import closing
import hardening
import network
import opening
import recovery
import segments
import sending
from frames import Station


def checks(part):
    for module in (opening, segments, sending, closing, network, recovery, hardening):
        for check in module.CHECKS:
            for six in getattr(check, 'families', (False, True)):
                name = f'{check.__name__} {"IPv6" if six else "IPv4"}'
                if part in name:
                    yield name, check, six


def main(device, own4, own6, target4, target6, part=''):
    station = Station(device, own4, own6, target4, target6)
    station.resolve()
    for name, check, six in checks(part):
        try:
            check(station, six)
            print(f'ok {name}', flush=True)
        except (AssertionError, ValueError, OSError) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f'not ok {name}: {error} ({where.filename.rsplit("/", 1)[-1]}:{where.lineno})'.replace('\n', ' '), flush=True)
    print('done', flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
