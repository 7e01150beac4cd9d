# SPDX-License-Identifier: GPL-2.0-or-later
"""The literal blocks of the manual and of the README files, as their readers
take them to a terminal.
"""
import re
import textwrap

from linux_guest import TOP

RST = sorted((TOP / 'docs/system/i386').glob('*.rst'))
MARKDOWN = [TOP / 'README.md', TOP / 'docs/libvirt/README.md']
# "::" at the end of a paragraph, or a directive, and what is indented below
RST_BLOCK = re.compile(
    r'^(?: *\.\. (?:code-block::.*|parsed-literal::)|'
    r'(?! *\.\. )(?:.*[^:\n])?::)\n'
    r'(?: +:\w+:.*\n)*\n(?P<in> +)(?P<text>\S.*\n'
    r'(?:(?P=in).*\n|\n(?=(?P=in)))*)', re.M)
FENCE = re.compile(r'^```.*\n(?P<text>(?:.*\n)*?)```$', re.M)
INDENT = re.compile(r'(?<=\n\n)(?P<text>(?: {4}.*\n|\n(?= {4}))+)')


def joined(block):
    """A block with lines that go on as one, and a program's name as it is."""
    text = textwrap.dedent(block).strip()
    text = text.replace('|qemu_system_x86|', 'qemu-system-x86_64')
    text = text.replace('\\\\\n', '\\\n')
    text = re.sub(r',\\\n\s*', ',', text)
    return re.sub(r' ?\\\n\s*', ' ', text)


def blocks(path):
    """All literal blocks of a file."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.rst':
        found = [match['in'] + match['text']
                 for match in RST_BLOCK.finditer(text)]
    else:
        found = [match['text'] for match in FENCE.finditer(text)]
        found += [match['text']
                  for match in INDENT.finditer(FENCE.sub('', text))]
    return [joined(block) for block in found]


def block(path, beginning):
    """The block that begins with some words."""
    match, = [text for text in blocks(path) if text.startswith(beginning)]
    return match
