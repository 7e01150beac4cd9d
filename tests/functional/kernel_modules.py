# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules of a kernel as Debian packs them."""
import lzma
import re


class ModuleError(Exception):
    """A module cannot be taken as it is."""


def content(path):
    """Return the content of a module's file, as Debian compresses it or not."""
    if path.suffix not in ('.ko', '.xz'):
        raise ModuleError(f'{path}: only modules that are not compressed, or '
                          'by xz, are taken')
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == '.xz' else data


class Modules:
    """The modules of a kernel's package, which has no list of what needs
    what: that is made where a package is installed."""

    def __init__(self, folder):
        self.files = {path.name.split('.')[0].replace('-', '_'): path
                      for path in folder.rglob('*.ko*')}
        self.found = {}

    def add(self, name):
        """Find a module and, before it, those that it needs; the names of
        all of these, as modprobe wants them: the last is loaded first.

        What is no module is built in, and has no name here.
        """
        key = name.replace('-', '_')
        if key not in self.files:
            return []
        if key not in self.found:
            path = self.files[key]
            data = content(path)
            depends = re.search(rb'\0depends=([^\0]*)\0', data)
            needs = []
            for need in depends[1].decode().split(',') if depends else ():
                needs += [more for more in self.add(need)
                          if more not in needs]
            self.found[key] = path.name.split('.')[0], data, needs
        name, _, needs = self.found[key]
        return [name, *needs]

    def take(self, names):
        """(name, content, names of what it needs) of each and of these, in
        an order in which they can be loaded.
        """
        for name in names:
            self.add(name)
        return list(self.found.values())
