#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Compare the aarch64 decoder with llvm-mc: which words are instructions.

    decode.py PROGRAM [SEED]

Of each line of our table PER_LINE words with random operands, made from its mask and match, of every value of the top eleven bits words with random remaining
bits, and more of system instructions. What EXCEPTIONS lists is not offered to
guests, or LLVM 14 departs from the architecture.
"""
import random
import re
import subprocess
import sys

LLVM = ["llvm-mc", "--disassemble", "--triple=aarch64", "--mattr=+v8.4a,+sb,+fp16fml,+crc,+lse,+crypto,+fptoint"]
PER_BUCKET = 24
PER_LINE = 32
SYSTEM_WORDS = 20000
# Of LLVM's text, where we say that it is none.
EXCEPTIONS = [
    (r"(mrs|msr) .*S[01]_", "op0 is 2 or 3 (Arm ARM C5.1.2)"),
    (r"(mrs|msr|sys|sysl) ", "names of registers that are none of the base architecture's"),
    (r"ldapur|stlur", "RCpc with offsets is not offered"),
    (r"ldra[ab]|auti|paci|aut[ind]|pac[ind]|xpac|bra|blra|reta|ereta|pacg", "pointer authentication is not offered"),
    (r"[us]mulh ", "Ra is all ones (C6.2)"),
    (r"(ld|st)[a-z]*r[bh]? ", "unused register fields of ordered accesses are all ones (C6.2)"),
    (r"drps|dcps[123]|hlt|tcancel|tstart|ttest|tcommit|udf", "debug state and transactions are not offered"),
    (r"axflag|xaflag", "FlagM2 is not offered"),
    (r"cfp|dvp|cpp", "speculation restriction is not offered"),
    (r"bti|psb|tsb|esb|csdb|dgh|clrbhb", "hints have one line"),
    (r"fml[as]l2? ", "half precision multiplied to single is not offered"),
    (r".*\.[48]h|.* h\d+", "arithmetic of half precision is not offered"),
    (r"sm[34]|sha512|eor3|rax1|xar|bcax", "the later cryptographic extensions are not offered"),
]


def llvm(words):
    """Text of each word; None for what is no instruction, "" for what need not be one."""
    lines = [" ".join(f"0x{b:02x}" for b in w.to_bytes(4, "little")) for w in words]
    done = subprocess.run(LLVM, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    bad = {int(n) - 1 for n in re.findall(r"^<stdin>:(\d+):\d+: warning: invalid", done.stderr, re.M)}
    soft = {int(n) - 1 for n in re.findall(r"^<stdin>:(\d+):\d+: warning: potentially", done.stderr, re.M)}
    text = iter(line.strip().replace("\t", " ") for line in done.stdout.splitlines() if line.strip() and line.strip() != ".text")
    texts = [None if i in bad else next(text) for i in range(len(words))]
    return ["" if i in soft else t for i, t in enumerate(texts)]


def main():
    program, rng = sys.argv[1], random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    words = [top << 21 | rng.getrandbits(21) for top in range(1 << 11) for _ in range(PER_BUCKET)]
    lines = subprocess.run([program, "--lines"], capture_output=True, text=True, check=True).stdout.splitlines()
    for mask, match in ((int(n, 16) for n in line.split()[:2]) for line in lines):
        words += [match | rng.getrandbits(32) & ~mask for _ in range(PER_LINE)]
    words += [0xd5000000 | rng.getrandbits(22) for _ in range(SYSTEM_WORDS)]
    ours = subprocess.run([program], input="".join(f"{w:08x}\n" for w in words), capture_output=True, text=True, check=True).stdout.splitlines()
    wrong = []
    for word, mine, theirs in zip(words, ours, llvm(words), strict=True):
        if theirs == "" or (mine == "none") == (theirs is None):
            continue
        if theirs is None or not any(re.match(e, theirs) for e, _ in EXCEPTIONS):
            wrong.append((word, mine, theirs))
    for word, mine, theirs in wrong[:40]:
        print(f"{word:08x}: decoded as {mine}, llvm-mc says '{theirs or 'no instruction'}'")
    print(f"decoder: {len(words)} words, {len(wrong)} differ from llvm-mc")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
