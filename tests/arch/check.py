#!/usr/bin/env python3
"""Rules of the tree, as checks: who may include whom (layers.txt), headers that compile alone, functions that are banned,
files that are too long. Prints every fault as file:line: text and exits 1 when there is one."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT), "-I", str(ROOT / "lib/include")]

# Unbounded copies, hidden state, the stack as a heap; printing and exiting, which belong to exporter/app alone.
BANNED = {
    "gets": "", "strcpy": "", "strcat": "", "sprintf": "", "vsprintf": "", "stpcpy": "", "strtok": "", "strncpy": "",
    "strncat": "", "atoi": "", "atol": "", "atof": "", "alloca": "", "tmpnam": "", "mktemp": "", "rand": "", "srand": "",
    "localtime": "", "gmtime": "", "asctime": "", "ctime": "", "strerror": "use strerror_r or %m", "system": "", "popen": "",
    "setenv": "", "putenv": "", "signal": "use sigaction", "setlocale": "",
    "printf": "app", "puts": "app", "putchar": "app", "fprintf": "app", "vprintf": "app", "vfprintf": "app", "perror": "app",
    "exit": "app", "_exit": "app", "abort": "app",
}
LONG_FILE = 700


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if (ROOT / line).is_file()]


def layers():
    table, external = {}, {}
    for line in (ROOT / "tests/arch/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, _, rest = line.partition(":")
        allowed, _, headers = rest.partition("|")
        table[folder] = set(allowed.split())
        for header in headers.split():
            external.setdefault(header, set()).add(folder)
    return table, external


def room(path, table):
    """The folder of the table that a file is in: the longest that is a prefix of its path."""
    best = [f for f in table if path.startswith(f + "/")]
    return max(best, key=len) if best else None


def check_includes(path, table, external):
    folder = room(path, table)
    if path.startswith("lib/include/"):
        folder, allowed = "lib/include", set()
    elif folder is None:
        return [f"{path}:1: this folder is not in tests/arch/layers.txt"]
    else:
        allowed = table[folder]
    faults = []
    for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        kind, name = match.groups()
        if name in external and folder not in external[name] and "*" not in allowed:
            faults.append(f"{path}:{number}: {name} belongs to {', '.join(sorted(external[name]))} alone")
        if kind == "<":
            continue
        if not (ROOT / name).is_file():
            faults.append(f"{path}:{number}: includes carry the folder: there is no {name} below the root")
            continue
        target = room(name, table)
        if target != folder and "*" not in allowed and target not in allowed:
            faults.append(f"{path}:{number}: {folder} may not include {target}")
    return faults


def without_comments_and_strings(text):
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_banned(path):
    if not path.startswith(("lib/", "alerts/", "exporter/")):
        return []
    prints = path.startswith("exporter/app/") or path == "exporter/main.c"
    faults = []
    for number, line in enumerate(without_comments_and_strings((ROOT / path).read_text()).splitlines(), 1):
        for match in re.finditer(r"(?<![\w.>])([a-z_]+)\s*\(", line):
            why = BANNED.get(match.group(1))
            if why is None or (why == "app" and prints):
                continue
            faults.append(f"{path}:{number}: {match.group(1)} is banned" + (" outside exporter/app" if why == "app" else f" ({why})" if why else ""))
    return faults


def check_length(path):
    lines = len((ROOT / path).read_text().splitlines())
    return [f"{path}:{lines}: longer than {LONG_FILE} lines"] if lines > LONG_FILE else []


def check_header(path):
    source = f'#include "{path}"\n#include "{path}"\n'  # alone, and twice
    run = subprocess.run(["gcc", *FLAGS, "-fsyntax-only", "-x", "c", "-"], input=source, cwd=ROOT, capture_output=True, text=True)
    return [f"{path}:1: does not compile alone:\n{run.stderr}"] if run.returncode else []


def main():
    table, external = layers()
    sources = tracked("*.c", "*.h", "*.def")
    faults = []
    for path in sources:
        faults += check_includes(path, table, external) + check_banned(path)
        if path.startswith(("lib/", "alerts/", "exporter/")) and not path.endswith(".inc"):
            faults += check_length(path)
    headers = [p for p in sources if p.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(check_header, headers):
            faults += found
    if not sources or not headers:
        faults.append("no sources found: the check would prove nothing")
    for fault in faults:
        print(fault)
    print(f"arch: {len(sources)} files, {len(headers)} headers compiled alone, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
