# SPDX-License-Identifier: GPL-2.0-or-later
"""Bare-metal payloads: each check that one reports is a test here.

Guests with SEV and SEV-ES run those whose subject they have.
"""
import errno
import functools
import pathlib
import subprocess
import sys
import time

import pytest

import patience
import payload as guest
from host_side import PAGE, UNPLUGGED

# Payload, then its variants by name.  Which half of a page is discarded
# shows in what the host can read, so some run under every policy.
POLICIES = {policy: {'policy': policy}
            for policy in ('both', 'shared', 'private', 'none')}
PLAIN = {'plain': {}}
SEV = {'sev': {'kind': 'sev'}}
ES = {'es': {'kind': 'es'}}
# All vCPUs take turns in one thread.
SINGLE = {'accel': 'tcg,thread=single'}
# A host with 2 MiB pages; those of today have none.
LARGE = {'large': True}
# A hypervisor with as many VMPLs as these payloads use
VMPLS = {'vmpls': 3}
# SEV_FEATURES, of which KVM of today has the first where hardware does
FEATURES = {'features': ('debug-swap', 'prevent-host-ibs', 'btb-isolation',
                         'smt-protection')}
# What coconut-svsm looks for
SVSM_FEATURES = {'features': ('debug-swap', 'restricted-injection')}
BOTH_SIZES = {**PLAIN, 'large': LARGE}
# A hypervisor that does not end a guest where KVM does
SPECIFICATION = {'specification': {'hypervisor': 'specification'}}
SMP_SPECIFICATION = {'specification': {'hypervisor': 'specification', 'smp': 2}}
VARIANTS = {
    'hello': {**PLAIN, **SEV, **ES},
    'host_insn': {**PLAIN, **SEV, **ES},
    'no_svm': SEV,
    'smi': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE},
            'sev': {'kind': 'sev', 'smp': 2}, 'es': {'kind': 'es', 'smp': 2}},
    'hypercall': {**SEV, **ES},
    'registers': PLAIN,
    'sleep': {**PLAIN, **ES},
    'msr_protocol': {**PLAIN, **ES},
    'msr_map': PLAIN,
    'vc': {**PLAIN, 'genoa': {'cpu': 'EPYC-Genoa'}},
    'nae': {**PLAIN, **ES, **SPECIFICATION},
    'nmi': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE},
            'genoa': {'smp': 2, 'cpu': 'EPYC-Genoa'}},
    'ghcb_errors': {**PLAIN, **ES, **SPECIFICATION},
    'wrmsr_own': SPECIFICATION,
    'long_string': SPECIFICATION,
    'unregistered': SPECIFICATION,
    'request_in_mmio': SPECIFICATION,
    'response_in_mmio': SPECIFICATION,
    'certs_in_mmio': SPECIFICATION,
    'pvalidate': {**BOTH_SIZES, **SPECIFICATION},
    'psc': {**POLICIES, 'large': LARGE},
    'psc_errors': {'plain': {'size_mib': 63}},
    'blocks': {'plain': {'split_mib': (33, 31)}},
    'tables': {**{name: POLICIES[name] for name in ('both', 'none')},
               **SPECIFICATION},
    'tables_la57': {name: {**POLICIES[name], 'cpu': 'max'}
                    for name in ('both', 'none')},
    'area': POLICIES,
    'ciphertext': {name: {**POLICIES[name], 'smp': 2}
                   for name in ('both', 'none')},
    'counters': POLICIES,
    'convert': PLAIN,
    'devices': PLAIN,
    'access': {'both': POLICIES['both'], 'none': POLICIES['none'],
               'smp': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'remote': {'both': {'smp': 2}, 'large': {'smp': 2, **LARGE}, 'none': {**POLICIES['none'], 'smp': 2},
               'single': {'smp': 2, **SINGLE}},
    'stale': {f'{kind}-{name}': {'kind': kind, 'smp': 2, **options}
              for kind in ('sev', 'es') for name, options in
              (('plain', {}), ('single', SINGLE))},
    'seeds': POLICIES,
    'seeds_high': {name: {**options, 'below_mib': 32}
                   for name, options in POLICIES.items()},
    'ap': {'plain': {'smp': 4}, 'single': {'smp': 4, **SINGLE}},
    'in_use': {'plain': {'smp': 3}, 'single': {'smp': 3, **SINGLE}},
    'task_switch': {'plain': {'smp': 2}},
    'halted': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'woken': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'replaced': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'halted_step': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'held_step': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE},
                  'es': {'kind': 'es', 'smp': 2}},
    'init_bsp': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'halted_hv': {'plain': {'smp': 2, **SVSM_FEATURES},
                  'single': {'smp': 2, **SVSM_FEATURES, **SINGLE}},
    'bad_injection': {'plain': {'smp': 2, **SVSM_FEATURES,
                                'hypervisor': 'specification'}},
    'in_use_code': {'plain': {'smp': 3}, 'single': {'smp': 3, **SINGLE}},
    'in_use_large': {'large': {'smp': 2, **LARGE}},
    'unplug': {'plain': {
        # TCG has room for as many threads as there can ever be.
        'smp': '1,maxcpus=4',
        'extra': ('-device', ','.join([UNPLUGGED['driver'], *(
            f'{key}={value}' for key, value in UNPLUGGED.items()
            if key != 'driver')])),
    }},
    'in_use_kept': {'plain': {'smp': 3}, 'single': {'smp': 3, **SINGLE}},
    'vmpl': {'plain': {'smp': 2, **VMPLS},
             'single': {'smp': 2, **VMPLS, **SINGLE}},
    'vmpl_report': {'plain': VMPLS},
    'vmpl_refused': {'plain': {'smp': 2}},
    'debug_swap': {'plain': {'smp': 2, **FEATURES},
                   'single': {'smp': 2, **FEATURES, **SINGLE}},
    'vmpl_debug': {'plain': {'smp': 1, **VMPLS, 'features': ('debug-swap',)}},
    'vmpl_hv': {'plain': {'smp': 2, **VMPLS, **SVSM_FEATURES},
                'single': {'smp': 2, **VMPLS, **SVSM_FEATURES, **SINGLE}},
    'bad_vmsa': SMP_SPECIFICATION,
    'sipi': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE},
             'sev': {'kind': 'sev', 'smp': 2}, 'es': {'kind': 'es', 'smp': 2}},
    'sipi_spent': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'sipi_hlt': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE}},
    'sipi_early': {'plain': {'smp': 2}, 'single': {'smp': 2, **SINGLE},
                   'es': {'kind': 'es', 'smp': 2}},
    'vmsa': {'plain': {'smp': 2},
             'genoa': {'smp': 2, 'cpu': 'EPYC-Genoa'}},
    'stress': {'both': {'smp': 2}, 'none': {**POLICIES['none'], 'smp': 2},
               'single': {'smp': 2, **SINGLE}},
    'fuzz': {'plain': {'smp': 2}, **SMP_SPECIFICATION},
    'race': {'plain': {'smp': 2}},
}
# About what KVM does not offer, or does otherwise by design
GUEST_WORLD = ('in_use_kept', 'in_use_code', 'in_use_large', 'unplug', 'vmpl',
               'vmpl_report', 'vmpl_write', 'vmpl_exec_user',
               'vmpl_exec_super', 'vmpl_walk', 'debug_swap', 'vmpl_hv',
               'vmpl_debug', 'halted_hv', 'bad_injection',
               # They need private memory, which no KVM has for their kinds
               'hypercall', 'stale', 'no_svm',
               # Under KVM of Linux 6.12 the VM is over then
               'smi')
# Payloads that stop their guest: the state it is left in, the event that says
# so, and words of QEMU's message.  Those that KVM ends a guest for go on with
# another hypervisor, see above.
PANICKED = ('guest-panicked', 'GUEST_PANICKED')
SHUT_DOWN = ('shutdown', 'SHUTDOWN')
ENDED = ('internal-error', 'STOP')
STOPPED = {
    'terminate_msr': (*PANICKED, ('GHCB MSR', 'set 0x5', 'code 0x42')),
    'terminate_nae': (*PANICKED, ('GHCB', '0x3', '0x21')),
    'unsupported': (*ENDED, ('0x1ff',)),
    'unregistered': (*ENDED, ('GHCB at 0x1010000', 'is not registered')),
    'wrmsr_own': (*ENDED, ('event 0x7c', 'WRMSR')),
    'long_string': (*ENDED, ('event 0x7b', '0x80000000', '2 GiB')),
    'request_in_mmio': (*ENDED, ('event 0x80000011', '0xfed00000',
                                 'guest request')),
    'response_in_mmio': (*ENDED, ('event 0x80000011', '0xfed01000',
                                  'guest request')),
    'certs_in_mmio': (*ENDED, ('event 0x80000012', 'guest request')),
    'bad_vmsa': (*ENDED, ('vCPU 1', 'VMSA at 0x1001000', 'not a VMSA page')),
    'end_rdtsc': (*ENDED, ('event 0x6e', 'RDTSC')),
    'end_pvalidate': (*ENDED, ('private use of 0xfed00000',)),
    'end_access': (*ENDED, ('private use of 0x80000000',)),
    'end_table': (*ENDED, ('private use of 0xfed00000',)),
    'shutdown': (*SHUT_DOWN, ()),
    'lost_root': (*SHUT_DOWN, ()),
    'lost_tss': (*SHUT_DOWN, ()),
    'storm': (*PANICKED, ('PVALIDATE failed (set 0x1 code 0x2)',)),
    'vmpl_write': (*ENDED,
                   ('VMPL2 of vCPU 0', 'write to guest frame 0x1000000')),
    'vmpl_exec_user': (*ENDED,
                       ('VMPL2', 'execute at CPL 3 guest frame 0x1000000')),
    'vmpl_exec_super': (
        *ENDED,
        ('VMPL2', 'execute at CPL 0 to 2 guest frame 0x1000000')),
    'vmpl_walk': (*ENDED,
                  ('VMPL2', 'walk the page table in guest frame 0x1000000')),
    'es_preferred': (*PANICKED, ('GHCB MSR request 0x10',)),
    'es_register': (*PANICKED, ('GHCB MSR request 0x900012',)),
    'es_page_state': (*PANICKED, ('GHCB MSR request 0x20000001000014',)),
}
# ... of other kinds than SNP
STOPPED_KINDS = {'es_preferred': 'es', 'es_register': 'es',
                 'es_page_state': 'es'}
STOPPED_VMPLS = ('vmpl_write', 'vmpl_exec_user', 'vmpl_exec_super',
                 'vmpl_walk')
# What UPM_GUEST_TERMINATED says of those that ask for it
TERMINATED = {
    'terminate_msr': {'vcpu': 0, 'reason-set': 5, 'reason-code': 0x42,
                      'reason': 'unknown reason'},
    'terminate_nae': {'vcpu': 0, 'reason-set': 3, 'reason-code': 0x21,
                      'reason': 'unknown reason'},
    'unsupported': {'vcpu': 0, 'reason':
                    'the guest cannot handle #VC 0x1ff (information 0x0)'},
    'storm': {'vcpu': 0, 'reason-set': 1, 'reason-code': 2,
              'reason': 'PVALIDATE failed'},
    **{payload: {'vcpu': 0, 'reason': f'{words[0]} is for SEV-SNP guests only'}
       for payload, (_, _, words) in STOPPED.items()
       if payload in STOPPED_KINDS},
}


@pytest.fixture(scope='session', autouse=True)
def images():
    subprocess.run(['make', '-s', '-C', str(guest.HERE),
                    f'out={guest.BUILD / "guest"}'], check=True)


@functools.lru_cache(maxsize=None)
def run(payload, variant):
    return guest.run(payload, **VARIANTS[payload][variant])


def all_variants():
    for payload, variants in VARIANTS.items():
        for variant in variants:
            yield pytest.param(payload, variant, id=f'{payload}-{variant}')


def all_checks():
    for payload, variants in VARIANTS.items():
        for variant in variants:
            for name in guest.check_names(payload, **variants[variant]):
                yield pytest.param(payload, variant, name,
                                   id=f'{payload}-{variant}-{name}')


@pytest.mark.parametrize('payload, variant, name', all_checks())
def test_check(payload, variant, name):
    result = run(payload, variant)
    if name not in result.checks:
        pytest.fail(f'not reported; the run said:\n{result.text()}',
                    pytrace=False)
    state, detail = result.checks[name]
    if state == 'skip':
        pytest.skip(detail)
    if state != 'ok':
        pytest.fail(detail or 'not ok', pytrace=False)


@pytest.mark.parametrize('payload, variant', all_variants())
def test_end(payload, variant):
    """The payload came to its end, and reported nothing else."""
    result = run(payload, variant)
    if not result.ended_well():
        pytest.fail(result.text(), pytrace=False)
    names = guest.check_names(payload, **VARIANTS[payload][variant])
    assert not set(result.checks) - set(names)


def test_stopped_as_told(tmp_path):
    """What KVM makes an error of is the guest's end by its own account, too."""
    state_of_stopped('unsupported', (*PANICKED, ('0x1ff',)), tmp_path,
                     hypervisor='specification')


@pytest.mark.parametrize('payload', ('end_rdtsc', 'end_access', 'bad_vmsa'))
def test_stopped_in_turns(payload, tmp_path):
    """A vCPU whose guest ends keeps no other one from being stopped."""
    state_of_stopped(payload, STOPPED[payload], tmp_path, **SINGLE)


@pytest.mark.parametrize('payload', STOPPED)
def test_stopped_guest(payload, tmp_path):
    """The guest is stopped for a named reason; QEMU stays and answers."""
    state_of_stopped(payload, STOPPED[payload], tmp_path)


def state_of_stopped(payload, expected, tmp_path, **options):
    """Run such a payload and look at what it leaves."""
    sys.path.insert(0, str(guest.BUILD / 'qemu/python'))
    from qemu.machine import QEMUMachine
    serial = tmp_path / 'serial'
    state, event, words = expected
    machine = QEMUMachine(guest.qemu_binary(), base_temp_dir=str(tmp_path),
                          log_dir=str(tmp_path))
    # Stopped at first, as events before the monitor is used are lost.
    kind = STOPPED_KINDS.get(payload, 'snp')
    if payload in STOPPED_VMPLS:
        options = {**options, **VMPLS}
    machine.add_args(*guest.arguments(payload, smp=2, kind=kind, **options),
                     '-no-shutdown', '-S', '-serial', f'file:{serial}')
    with machine:
        machine.launch()
        machine.cmd('cont')
        for name in dict.fromkeys((event, 'STOP')):
            assert patience.event(machine, name, guest.LIMIT)
        told = [event['data'] for event in machine.get_qmp_events()
                if event['event'] == 'UPM_GUEST_TERMINATED']
        assert told == [TERMINATED[name] for name in TERMINATED
                        if name == payload]
        assert machine.cmd('query-status') == {'status': state,
                                               'running': False}
        machine.cmd('human-monitor-command', command_line='info registers')
        assert machine.is_running()
    reported = serial.read_text().split('\n')
    for name in guest.check_names(payload, kind):
        assert f'ok {name}' in reported
    assert not [line for line in reported if line.startswith('not ok')]
    for word in words:
        assert word in (machine.get_log() or '')


@pytest.mark.parametrize('variant', VARIANTS['sleep'])
def test_not_suspended(variant):
    """QEMU says why, once."""
    messages = run('sleep', variant).messages
    assert messages.count('the guest is not suspended to RAM (S3): a vCPU '
                          'whose registers are encrypted') == 1


def test_events(tmp_path):
    """A storm of conversions and refusals is told of once a second.

    Meanwhile a client asks for all there is, until the guest is dead and
    once more.
    """
    sys.path.insert(0, str(guest.BUILD / 'qemu/python'))
    from qemu.machine import QEMUMachine
    machine = QEMUMachine(guest.qemu_binary(), base_temp_dir=str(tmp_path))
    machine.add_args(*guest.arguments('storm'), '-no-shutdown', '-S')
    events = []
    with machine:
        machine.launch()
        machine.cmd('cont')
        began = time.monotonic()
        limit = patience.Patience(guest.LIMIT, machine.get_pid())
        while 'STOP' not in [event['event'] for event in events]:
            machine.cmd('query-upm')
            machine.cmd('query-upm-map', limit=2)
            machine.cmd('query-stats', target='vm')
            events += machine.get_qmp_events()
            assert not limit.over()
        seconds = time.monotonic() - began
        # The last failure waits for the next second, and comes.
        last = patience.event(machine, 'UPM_CONVERSION_FAILED', guest.LIMIT)
        assert last
        events.append(last)
        info = machine.cmd('query-upm')
        assert machine.cmd('query-upm-map')['ranges']
    ghcb, = [entry for entry in info['conversions']
             if entry['cause'] == 'ghcb']
    assert info['failed-requests'] == 4000
    assert ghcb['to-private-requests'] == 2000
    # ... and one for the GHCB
    assert ghcb['to-shared-requests'] == 2001
    told = {name: [event['data'] for event in events
                   if event['event'] == name]
            for name in ('UPM_CONVERSION_STORM', 'UPM_CONVERSION_FAILED')}
    storms, failures = told.values()
    assert len(storms) <= seconds + 2
    # Where this machine is busy, 2000 conversions may take more than a second.
    assert storms or seconds > 1
    for storm in storms[:1]:
        assert storm['requests'] == 2000
        assert storm['time'] < 1e9
        assert storm['to-private-bytes'] + storm['to-shared-bytes'] == (
            2000 * PAGE)
        assert storm['cause'] == 'ghcb'
    assert 1 <= len(failures) <= seconds + 2
    expected = {'gpa': 0xfed00000, 'size': PAGE, 'to': 'shared',
                'cause': 'ghcb', 'step': 'check', 'errno': errno.EINVAL,
                'poisoned': False}
    for failure in failures:
        reason = failure.pop('reason')
        assert reason.startswith('cannot convert 0xfed00000 +0x1000 to shared')
        count = failure.pop('failed-requests')
        assert failure == expected
    assert count == 4000


@pytest.mark.parametrize('payload', [*{**VARIANTS, **STOPPED}, 'reboot',
                                     'reset_busy', 'ap_flood', 'new_chip',
                                     'no_chip'])
def test_image(payload):
    """The image is one that any SNP host can launch."""
    subprocess.run([str(guest.HERE / 'check_image.py'),
                    str(guest.image(payload))], check=True)


def test_image_checker_objects(tmp_path):
    """An image without its footer, or with a wrong section, is refused."""
    good = guest.image('hello').read_bytes()
    checker = str(guest.HERE / 'check_image.py')
    for change in (slice(-48, -32), slice(-72, -68)):
        bad = bytearray(good)
        bad[change] = bytes(len(good[change]))
        path = pathlib.Path(tmp_path) / 'bad.bin'
        path.write_bytes(bad)
        assert subprocess.run([checker, str(path)], check=False,
                              capture_output=True).returncode


def test_names_are_unique():
    for payload in [*VARIANTS, *STOPPED]:
        kinds = {variant.get('kind', 'snp')
                 for variant in VARIANTS.get(payload, {}).values()}
        for kind in kinds or {STOPPED_KINDS.get(payload, 'snp')}:
            names = guest.check_names(payload, kind, 'specification')
            assert names
            assert len(names) == len(set(names)), payload
