#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask the firmware of this host for all that /dev/sev lets one ask.

A line for each question: its name, "ok" and what came back, or the errno and
the firmware's status.  Runs on an emulated host as on a real one; it changes
nothing but the PDH.  Layouts: linux/psp-sev.h; certificates: SEV API (55766),
appendix C.
"""
import ctypes
import errno
import fcntl
import struct
import sys

ISSUE = 0xc0105300                      # _IOWR('S', 0, 16 bytes)
STATUS, PEK_CSR, PDH_GEN, PDH_CERT_EXPORT = 1, 3, 4, 5
GET_ID2, SNP_STATUS, SNP_COMMIT, SNP_CONFIG = 8, 9, 10, 11
CERT_SIZE = 0x824
INVALID_LEN = 4


class Refused(Exception):
    """An errno and the firmware's status"""


def ask(device, command, data):
    """Issue a command with a buffer, which is changed in place"""
    issue = bytearray(struct.pack('<IQI', command, ctypes.addressof(data),
                                  0xffffffff))
    try:
        fcntl.ioctl(device, ISSUE, issue)
    except OSError as error:
        status = struct.unpack('<IQI', issue)[2]
        raise Refused(errno.errorcode[error.errno], status) from error


def buffer(size):
    """Zeros that the kernel may write to"""
    return ctypes.create_string_buffer(size)


def status(device):
    """API, state and guests of SEV"""
    data = buffer(12)
    ask(device, STATUS, data)
    major, minor, state, flags, build, guests = struct.unpack('<BBBIBI',
                                                              data.raw)
    return (f'api {major}.{minor} build {build} state {state}'
            f' flags 0x{flags:x} guests {guests}')


def snp_status(device):
    """API, state and patch levels of SEV-SNP"""
    data = buffer(32)
    ask(device, SNP_STATUS, data)
    major, minor, state, rmp, build, flags, guests, current, reported = (
        struct.unpack('<BBBBIIIQQ', data.raw))
    return (f'api {major}.{minor} build {build} state {state} rmp {rmp}'
            f' flags 0x{flags:x} guests {guests} tcb {current:016x}'
            f' {reported:016x}')


def sized(device, command, *sizes):
    """A command that says first how much room it takes"""
    asked = buffer(12 * len(sizes))
    try:
        ask(device, command, asked)
    except Refused as refused:
        if refused.args != ('EIO', INVALID_LEN):
            raise
    rooms = [struct.unpack_from('<QI', asked.raw, 12 * i)[1]
             for i in range(len(sizes))]
    outputs = [buffer(room) for room in rooms]
    asked = buffer(12 * len(sizes))
    asked.raw = b''.join(struct.pack('<QI', ctypes.addressof(output), room)
                         for output, room in zip(outputs, rooms))
    ask(device, command, asked)
    return [output.raw for output in outputs]


def get_id(device):
    """Which chip it is"""
    return sized(device, GET_ID2, 64)[0].hex()


def usage(cert):
    """Whose key is in a certificate, and who has signed it"""
    signers = [struct.unpack_from('<I', cert, 0x414 + i * 0x208)[0]
               for i in range(2)]
    return ' '.join(f'{number:x}' for number in
                    (struct.unpack_from('<I', cert, 8)[0], *signers))


def export(device):
    """The PDH and its chain"""
    pdh, chain = sized(device, PDH_CERT_EXPORT, CERT_SIZE, 3 * CERT_SIZE)
    certs = [pdh] + [chain[i:i + CERT_SIZE]
                     for i in range(0, len(chain), CERT_SIZE)]
    return ' | '.join(map(usage, certs))


def csr(device):
    """What an owner would sign"""
    return usage(sized(device, PEK_CSR, CERT_SIZE)[0])


def pdh_gen(device):
    """A new PDH"""
    before = sized(device, PDH_CERT_EXPORT, CERT_SIZE, 3 * CERT_SIZE)
    ask(device, PDH_GEN, buffer(1))
    after = sized(device, PDH_CERT_EXPORT, CERT_SIZE, 3 * CERT_SIZE)
    return f'new {before[0] != after[0]} chain {before[1] == after[1]}'


def config(device):
    """The configuration as it is from the start"""
    ask(device, SNP_CONFIG, buffer(64))
    return ''


def too_new(device):
    """A patch level that the firmware has not"""
    data = buffer(64)
    data.raw = struct.pack('<Q', 0xff).ljust(64, b'\0')
    ask(device, SNP_CONFIG, data)
    return ''


def commit(device):
    """The firmware that runs is the oldest one from now on"""
    ask(device, SNP_COMMIT, buffer(1))
    return ''


def main():
    """All questions"""
    questions = (status, snp_status, get_id, export, csr, pdh_gen, config,
                 too_new, commit, status)
    with open('/dev/sev', 'r+b', buffering=0) as device:
        for question in questions:
            try:
                answer = f'ok {question(device)}'
            except Refused as refused:
                answer = '%s 0x%x' % refused.args
            print(f'{question.__name__}: {answer}'.rstrip(), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
