/** Where io_uring is not permitted: most container runtimes refuse its system calls. */
import { execFileSync, spawnSync } from 'node:child_process';
import t from 'tap';

import { CLI, startSluice } from '../support/sluice-process.js';

/** Runs its arguments with io_uring_setup (425 on every architecture) failing with EPERM, as a seccomp profile has it. */
const BLOCKED = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
LOAD, JEQ, RET = 0x20, 0x15, 0x06
ALLOW, ERRNO, EPERM = 0x7fff0000, 0x00050000, 1
rows = [(LOAD, 0, 0, 0), (JEQ, 0, 1, 425), (RET, 0, 0, ERRNO | EPERM), (RET, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *row) for row in rows))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(rows), ctypes.addressof(code)))
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0:
    sys.exit(f'seccomp: errno {ctypes.get_errno()}')
os.execvp(sys.argv[1], sys.argv[1:])
`;

function lacking(): string | false {
  const tried = spawnSync('python3', ['-c', BLOCKED, 'true'], { encoding: 'utf8', timeout: 60_000 });
  return tried.status === 0 ? false : `no python3 with seccomp: ${tried.stderr || String(tried.error)}`;
}

const skip = lacking();
const under = ['python3', '-c', BLOCKED];

t.test('auto serves on epoll and says in one line why', { skip }, async (t) => {
  const server = await startSluice(['echo', '--driver', 'auto', '--listen', '127.0.0.1:0'], { under });
  t.match(server.ready, /driver epoll/);
  t.match(server.stderr().trim(), /^sluice echo: driver epoll: io_uring: .*not permitted.*seccomp.*$/);
  t.equal(await server.stop(), 0);
});

t.test('asked for io_uring it exits with the reason and what to do', { skip }, async (t) => {
  const [program = '', ...rest] = [...under, process.execPath, CLI, 'echo', '--driver', 'uring', '--listen', '127.0.0.1:0'];
  const ended = spawnSync(program, rest, { encoding: 'utf8', timeout: 560_000 });
  t.equal(ended.status, 1);
  t.match(ended.stderr, /io_uring_setup is not permitted.*Use --driver epoll/);
});

t.test('doctor says so', { skip }, async (t) => {
  const [program = '', ...rest] = [...under, process.execPath, CLI, 'doctor'];
  t.match(execFileSync(program, rest, { encoding: 'utf8', timeout: 560_000 }), /io_uring is not usable: .*not permitted/);
});
