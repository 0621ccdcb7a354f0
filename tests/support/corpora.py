#!/usr/bin/env python3
"""Finds the test data that others wrote (OXP_CORPORA, default ../shared/corpora).

A missing folder is skipped aloud, but fails when CI is set; an empty one always fails. Prints how many files there are."""
import os
import pathlib
import sys


def folder():
    """The corpora folder, or None (said aloud) when it is missing and this is not CI. Exits 1 when it may not be missing or is empty."""
    root = pathlib.Path(__file__).resolve().parents[2]
    path = pathlib.Path(os.environ.get("OXP_CORPORA") or root.parent / "shared" / "corpora")
    if not path.is_dir():
        if os.environ.get("CI"):
            sys.exit(f"corpora: {path}: no such folder, and CI is set")
        print(f"SKIPPED corpora: {path}: no such folder (set OXP_CORPORA)")
        return None
    files = [f for f in path.rglob("*") if f.is_file() and f.name != "README.md"]
    if not files:
        sys.exit(f"corpora: {path}: empty")
    print(f"corpora: {len(files)} files in {path.name}/")
    return path


if __name__ == "__main__":
    folder()
