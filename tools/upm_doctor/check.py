# SPDX-License-Identifier: GPL-2.0-or-later
"""A check, its result, and the order of checks."""
import dataclasses
import typing

from .host import HostError

PASS, FAIL, SKIP = 'pass', 'fail', 'skip'
# What a host can be asked for
EMULATION, SNP, ES, SEV = 'emulation', 'snp', 'sev-es', 'sev'
KVM = SNP, ES, SEV
ALL = (EMULATION,) + KVM


class Result(typing.NamedTuple):
    """What became of a check.

    says -- what was found
    hint -- what to do; empty where nothing has to be done
    """

    status: str
    says: str
    hint: str = ''


@dataclasses.dataclass(frozen=True)
class Check:
    """One question to the host.

    kinds -- guests for which the answer matters
    needs -- names of checks without which the question makes no sense
    ask -- takes the host and the options, returns a `Result`
    """

    name: str
    title: str
    kinds: tuple
    needs: tuple
    ask: typing.Callable

    def run(self, host, options, before):
        """Return the `Result`; before are those of checks that ran."""
        missing = [name for name in self.needs
                   if name in before and before[name].status != PASS]
        if missing:
            return Result(SKIP, f'without {missing[0]} there is no answer')
        try:
            return self.ask(host, options)
        except HostError as error:
            return Result(SKIP, str(error))


def run_all(checks, host, options):
    """Yield each check that was asked for, with its result."""
    results = {}
    for check in checks:
        if not set(check.kinds) & set(options.kinds):
            continue
        results[check.name] = check.run(host, options, results)
        yield check, results[check.name]
