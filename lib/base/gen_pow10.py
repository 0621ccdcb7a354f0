#!/usr/bin/env python3
"""Writes pow10.inc: 128-bit approximations of 10^k, the table of number.c.

Row k is g = floor(10^k * 2^(127 - e)) + 1 with e = floor(log2(10^k)), so that 2^127 < g < 2^128 (after R. Giulietti,
"The Schubfach way to render doubles", 2020, with 128 bits in place of 126). Exact integers throughout.

Usage: gen_pow10.py > pow10.inc, or gen_pow10.py --check pow10.inc (exit 1 when the file is not what would be written).
"""
import sys

FIRST, LAST = -292, 324


def row(k):
    if k >= 0:
        exact = 10**k
        e = exact.bit_length() - 1
        shift = 127 - e
        return (exact << shift if shift >= 0 else exact >> -shift) + 1
    divisor = 10**-k
    # 2^(n-1) < divisor < 2^n, so floor(log2(1/divisor)) = -n
    return (1 << (127 + divisor.bit_length())) // divisor + 1


def text():
    lines = [f"/* Made by gen_pow10.py; do not edit. 10^{FIRST} to 10^{LAST}: {{high, low}} 64 bits. */"]
    for k in range(FIRST, LAST + 1):
        g = row(k)
        assert 1 << 127 < g < 1 << 128
        lines.append(f"{{0x{g >> 64:016x}, 0x{g & (1 << 64) - 1:016x}}}, /* 1e{k} */")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        with open(sys.argv[2], encoding="ascii") as file:
            if file.read() != text():
                sys.exit(f"{sys.argv[2]} is not what gen_pow10.py makes")
    else:
        sys.stdout.write(text())


main()
