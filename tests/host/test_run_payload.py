# SPDX-License-Identifier: GPL-2.0-or-later
"""What ends a payload in L1; without L1, and with a QEMU that only answers."""
import json
import socket
import threading

import pytest

import run_payload

LIMIT = 60


class Monitor:
    """QMP as far as the watch uses it: these states, and the last for ever."""

    def __init__(self, path, states):
        self.states = list(states)
        self.commands = []
        self.port = socket.socket(socket.AF_UNIX)
        self.port.bind(str(path))
        self.port.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """Answer until the guest is over, as QEMU itself ends then."""
        client, _ = self.port.accept()
        with client, client.makefile('rw') as file:
            file.write('{"QMP": {}}\n')
            while self.states:
                file.flush()
                command = json.loads(file.readline())['execute']
                self.commands.append(command)
                answer = {}
                if command == 'query-status':
                    answer['status'] = self.states[0]
                    self.states = self.states[1:] or self.states
                if command == 'quit' or self.states == ['ends']:
                    self.states = []
                file.write(json.dumps({'return': answer}) + '\n')
        self.port.close()


@pytest.mark.parametrize('states, silence, state, silent', [
    (('running', 'internal-error'), LIMIT, 'internal-error', False),
    (('prelaunch', 'running', 'guest-panicked'), LIMIT, 'guest-panicked',
     False),
    (('running',), 0, None, True),
    # on its way out: it is no state that the guest stands still in
    (('running', 'shutdown', 'ends'), LIMIT, None, False)])
def test_watch(states, silence, state, silent):
    """QEMU is asked to end where its guest stands still, and then only."""
    watch = run_payload.Watch(silence)
    monitor = Monitor(watch.path, states)
    monitor.thread.join(LIMIT)
    assert not monitor.thread.is_alive()
    watch.over = True
    watch.thread.join(LIMIT)
    assert (watch.state, watch.silent) == (state, silent)
    assert ('quit' in monitor.commands) == bool(state or silent)


def test_words_are_no_silence(capsys):
    """What the guest says is copied, and counts."""
    watch = run_payload.Watch(LIMIT)
    watch.heard = before = -1
    print('a line', file=watch)
    watch.over = True
    assert watch.heard > before
    assert capsys.readouterr().err == 'a line\n'
