#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a payload of tests/guest under KVM, inside the emulated host.

usage: run_payload.py SILENCE LIMIT PAYLOAD [OPTIONS]

It ends once QEMU has stopped its guest, or the guest has said nothing for
SILENCE seconds, or by force after LIMIT seconds.  OPTIONS are those of
payload.run(), in JSON.  What the guest says is copied to the standard error
output; then a line of JSON is printed: the checks, QEMU's exit status, the
state that the guest was stopped in, whether it was silent, and QEMU's
messages.
"""
import contextlib
import io
import json
import pathlib
import socket
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'guest'))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import payload  # noqa: E402

# QEMU ends by itself where the guest has shut down.
RUNS = ('running', 'prelaunch', 'inmigrate', 'shutdown')


class Watch(io.TextIOBase):
    """Ends QEMU once the guest stands still for good.

    The guest's lines are written to it.
    """

    def __init__(self, silence):
        super().__init__()
        self.path = pathlib.Path(tempfile.mkdtemp()) / 'watch'
        self.silence = silence
        self.heard = time.monotonic()
        self.state = None
        self.silent = False
        self.over = False
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def write(self, text):
        self.heard = time.monotonic()
        return sys.stderr.write(text)

    def arguments(self):
        return ['-qmp', f'unix:{self.path},server=on,wait=off',
                '-action', 'panic=pause', '-no-reboot']

    def look(self):
        """Ask twice a second; QEMU may not be there yet, or no longer."""
        while not self.over:
            time.sleep(0.5)
            try:
                with socket.socket(socket.AF_UNIX) as port:
                    port.settimeout(60)
                    port.connect(str(self.path))
                    self.ask(port.makefile('rw'))
            except (OSError, ValueError):
                continue

    def ask(self, file):
        """Follow the state until it is none that goes on."""
        def command(name):
            file.write(json.dumps({'execute': name}) + '\n')
            file.flush()
            while True:
                answer = json.loads(file.readline())
                if 'return' in answer:
                    return answer['return']
        file.readline()
        command('qmp_capabilities')
        while True:
            state = command('query-status')['status']
            if state not in RUNS:
                self.state = state
            elif time.monotonic() - self.heard > self.silence:
                self.silent = True
            if self.state or self.silent:
                command('quit')
                return
            time.sleep(0.5)


def run(name, silence, limit, options):
    """Run one payload; what it came to."""
    watch = Watch(silence)
    with contextlib.redirect_stdout(watch):
        result = payload.run(name, limit, echo=True, accel='kvm',
                             extra=watch.arguments(), **options)
    watch.over = True
    return {'payload': name, 'checks': result.checks,
            'status': result.status, 'state': watch.state,
            'silent': watch.silent, 'lines': result.lines,
            'messages': result.messages, 'seconds': round(result.seconds, 2)}


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    silence, limit, name, *options = sys.argv[1:]
    print(json.dumps(run(name, float(silence), float(limit),
                         json.loads(options[0]) if options else {})))


if __name__ == '__main__':
    main()
