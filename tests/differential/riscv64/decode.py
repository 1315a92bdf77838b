#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Compare the riscv64 decoder with llvm-mc: which words are instructions, and which with which operands.

    decode.py PROGRAM [SEED]

All compressed instructions; of the others PER_LINE words of each line of our table with random operands, made from its mask and match, which LLVM has to
disassemble as we do; and every opcode, function and second register field with random remaining fields. LLVM 19 departs
from the specification, or does not know what we decode, in what EXCEPTIONS lists.
"""
import random
import re
import subprocess
import sys

LLVM = ["llvm-mc-19", "--disassemble", "--triple=riscv64", "-M", "no-aliases", "--mattr=+m,+a,+f,+d,+c,+zba,+zbb,+zbc,+zbs,+zicond,+zawrs,"
        "+zicbom,+zicboz,+zimop,+zcmop,+zcb,+experimental-zacas,+zfh,+zfa,+svinval,+v,+zvbb"]
PER_LINE = 64
# Of our text, or of LLVM's where we say that it is none.
EXCEPTIONS = [
    (r"mret$", "guests have no machine mode"),
    (r"csrrw zero, 3072, zero$", "LLVM's alias for an instruction that is always illegal"),
    (r"fence\.i$", "unused fields are to be ignored (Unprivileged ISA, 6)"),
    (r"c\.unimp$", "is no instruction by its definition (28.7)"),
    (r"c\.lui \w+, 0$", "an immediate of zero is reserved (28.5)"),
    (r"h(inval|fence)\.", "guests have no hypervisor level"),
    (r"mop\.", "of one line of our table each, whatever their number"),
    (r"fcvt\.[sd]\.h ", "the rounding mode of exact conversions is any"),
    (r"fcvtmod\.w\.d .*, (rne|rdn|rup|rmm|dyn)$", "other rounding modes than rtz are reserved (Unprivileged ISA, 24.5)"),
    (r"fli\.[hsd] ", "we print the number of the constant"),
    (r"amocas\.q", "that odd registers are reserved the lifter finds (Zacas)"),
    (r"fence [iorw0]+, [iorw0]+$", "reserved fm, rd and rs1 are to be ignored (Unprivileged ISA, 2.7)"),
    (r"(vl[248]re|vmv[248]r\.v|vs[248]r\.v)", "that the register is no group's first the C code finds (Unprivileged ISA, 30.7.9)"),
    (r"fcvt\.d\.(w|wu|s) ", "the rounding mode of exact conversions is any (Unprivileged ISA, 21.5)"),
]


def llvm(words):
    """Text of each word, None for what is no instruction."""
    lines = ["[" + " ".join(f"0x{b:02x}" for b in int(w, 16).to_bytes(len(w) // 2, "little")) + "]" for w in words]
    done = subprocess.run(LLVM, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    bad = {int(n) - 1 for n in re.findall(r"^<stdin>:(\d+):\d+: warning: invalid", done.stderr, re.M)}
    text = iter(line.strip().replace("\t", " ") for line in done.stdout.splitlines() if line.strip() != ".text")
    return [None if i in bad else next(text) for i in range(len(words))]


def same(ours, theirs):
    if theirs is None or ours.startswith(".word"):
        return (theirs is None) == ours.startswith(".word")
    if ours.startswith("csr"):  # LLVM names CSRs, we number them
        ours, theirs = ([*t.split(", ")[:1], *t.split(", ")[2:]] for t in (ours, theirs))
    return ours == theirs


def words_of_lines(program, rng):
    """Encodes what the table has: the words, and of which line each is."""
    lines = subprocess.run([program, "--lines"], capture_output=True, text=True, check=True).stdout.splitlines()
    for mask, match in ((int(n, 16) for n in line.split()) for line in lines):
        yield from (f"{match | rng.getrandbits(32) & ~mask:08x}" for _ in range(PER_LINE))


def words(rng):
    for f in range(1 << 20):
        word = (f >> 8) << 20 | (f >> 5 & 7) << 12 | (f & 31) << 2 | 3
        yield f"{word | rng.choice((0, rng.getrandbits(5))) << 15 | rng.choice((0, rng.getrandbits(5))) << 7:08x}"


def check(program, batch):
    ours = subprocess.run([program], input="\n".join(batch) + "\n", capture_output=True, text=True, check=True).stdout.splitlines()
    wrong = []
    for word, mine, theirs in zip(batch, ours, llvm(batch), strict=True):
        none = mine.startswith(".word")
        # A compressed instruction has another name there than what it stands for: is it one?
        agree = none == (theirs is None) if len(word) == 4 else same(mine, theirs)
        if not agree and not any(re.match(e, (theirs or "") if none else mine) for e, _ in EXCEPTIONS):
            wrong.append((word, mine, theirs))
    return wrong


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng = random.Random(seed)
    of_lines = list(words_of_lines(program, rng))
    batches = [[f"{c:04x}" for c in range(1 << 16) if c & 3 != 3], of_lines]
    every = list(words(rng))
    batches += [every[i:i + 65536] for i in range(0, len(every), 65536)]
    wrong = [w for batch in batches for w in check(program, batch)]
    for word, mine, theirs in wrong[:40]:
        print(f"{word}: decoded as '{mine}', llvm-mc says '{theirs or 'no instruction'}'")
    print(f"decoder: {sum(map(len, batches))} words, {len(wrong)} differ from llvm-mc")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
