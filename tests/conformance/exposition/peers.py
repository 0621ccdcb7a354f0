#!/usr/bin/python3
"""Shows our accept and reject files, and the golden files, to other people's parsers.

OpenMetrics goes to python3-prometheus-client's parser, text to `promtool check metrics`. What they say must be what our
folders say, but for the disagreements that are listed here with their reason; a new one fails. A peer that is not
installed is skipped aloud; when both are missing the test says so to ctest (exit 77).
"""
import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "golden", "exposition")

# name of the file: why the peer disagrees
PYTHON_REJECTS = {
    "exemplar_with_hash_and_brace": "looks for the exemplar's braces in the whole line, label values included",
}
PYTHON_ACCEPTS = {
    # the ABNF, which "takes precedence"
    "help_escape": "keeps unknown escapes",
    "help_ends_in_backslash": "keeps unknown escapes",
    "help_quote": "does not ask for escaped quotes in HELP",
    "label_value_escape": "keeps unknown escapes",
    "label_value_ends_in_backslash": "finds the quote by itself",
    "value_signed_nan": "reads numbers with float()",
    "value_too_large": "reads numbers with float(), which gives infinity",
    "carriage_return_in_help": "keeps the carriage return",
    # MUSTs of the data model that it leaves out
    "name_reserved": "knows no reserved names",
    "label_reserved": "knows no reserved names",
    "counter_only_created": "does not ask for a Total",
    "created_not_finite": "does not look at the value of _created",
    "exemplar_above_its_bucket": "does not compare exemplars with buckets",
    "exemplar_nan_in_bucket": "does not compare exemplars with buckets",
    "summary_quantile_on_count": "does not look for quantile beside counts",
    # it drops a repeated series without a word
    "series_twice": "drops duplicates",
    "series_twice_empty_label": "drops duplicates; also keeps empty labels",
    "series_twice_in_counter": "drops duplicates",
    "series_twice_in_info": "drops duplicates",
    "series_twice_labels_in_other_order": "drops duplicates",
    "stateset_state_twice": "drops duplicates",
    "summary_quantile_twice": "drops duplicates",
}
PROMTOOL_REJECTS = {
    "spaces_and_tabs": 'takes blanks behind a type into its name; the format says "trailing whitespace is ignored"',
}
PROMTOOL_ACCEPTS = {
    # one group for each metric, metadata before samples
    "clash_with_bucket": "finds families by name, wherever their lines stand",
    "family_comes_back": "finds families by name, wherever their lines stand",
    "family_interleaved_by_help": "finds families by name, wherever their lines stand",
    "help_behind_sample": "asks it of TYPE alone",
    # metadata that is not whole
    "help_without_name": "takes a cut line for a comment",
    "type_missing": "takes a cut line for a comment",
    "type_without_name": "takes a cut line for a comment",
    # it does not compare samples with each other
    "histogram_bare_sample": "does not look at histograms as a whole",
    "histogram_bucket_nan": "does not look at histograms as a whole",
    "histogram_count_differs": "does not look at histograms as a whole",
    "histogram_count_differs_in_one_group": "does not look at histograms as a whole",
    "histogram_count_twice": "does not look for duplicates",
    "histogram_infinity_spelled_badly": "reads le as a number",
    "histogram_le_missing": "leaves such a sample out",
    "histogram_le_on_sum": "leaves the label out",
    "histogram_not_ascending": "does not look at histograms as a whole",
    "histogram_not_cumulative": "does not look at histograms as a whole",
    "histogram_without_count": "does not look at histograms as a whole",
    "histogram_without_infinity": "does not look at histograms as a whole",
    "series_twice": "does not look for duplicates",
    "series_twice_apart": "does not look for duplicates",
    "series_twice_at_other_times": "does not look for duplicates",
    "series_twice_empty_label": "does not look for duplicates",
    "summary_count_negative": "does not look at the values of summaries",
    "summary_quantile_above_one": "does not look at the values of summaries",
    "summary_quantiles_not_ascending": "does not look at the values of summaries",
    "summary_without_quantile": "leaves such a sample out",
}


def python_parser():
    """A function that gives None or the reason of a refusal; None when the package is missing."""
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        return None

    def parse(path):
        try:
            with open(path, "rb") as file:
                list(text_string_to_metric_families(file.read().decode("utf-8")))
        except Exception as error:  # it raises ValueError, KeyError, AttributeError, …
            return f"{type(error).__name__}: {error}"
        return None

    return parse


def promtool():
    program = shutil.which("promtool")
    if program is None:
        return None

    def parse(path):
        with open(path, "rb") as file:
            run = subprocess.run([program, "check", "metrics"], stdin=file, capture_output=True, timeout=30)
        # 3: it was read, and the linter has advice on names
        return None if run.returncode in (0, 3) else run.stderr.decode("utf-8", "replace").strip()

    return parse


def name_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def compare(parse, accept, reject, known):
    """Gives (number of files, disagreements that nobody has explained)."""
    known_rejects, known_accepts = known
    faults = []
    for path in accept:
        reason = parse(path)
        if reason is not None and name_of(path) not in known_rejects:
            faults.append(f"{path}: the peer refuses it: {reason}")
    for path in reject:
        if parse(path) is None and name_of(path) not in known_accepts:
            faults.append(f"{path}: the peer accepts it")
    for name in list(known_rejects) + list(known_accepts):
        if name not in {name_of(path) for path in accept + reject}:
            faults.append(f"{name}: is listed as a disagreement, but there is no such file")
    return len(accept) + len(reject), faults


def main():
    peers = [
        ("python3-prometheus-client", python_parser(), "openmetrics", "*.openmetrics",
         (PYTHON_REJECTS, PYTHON_ACCEPTS)),
        ("promtool", promtool(), "text", "*.txt", (PROMTOOL_REJECTS, PROMTOOL_ACCEPTS)),
    ]
    ran, failed = 0, False
    for peer, parse, folder, golden, known in peers:
        if parse is None:
            print(f"SKIPPED conformance_exposition_peers: {peer} is missing")
            continue
        accept = sorted(glob.glob(os.path.join(HERE, folder, "accept", "*.txt")))
        goldens = sorted(glob.glob(os.path.join(GOLDEN, golden)))
        reject = sorted(glob.glob(os.path.join(HERE, folder, "reject", "*.txt")))
        if not accept or not reject or not goldens:
            print(f"FAILED {peer}: no files found below {HERE}")
            failed = True
            continue
        count, faults = compare(parse, accept + goldens, reject, known)
        for fault in faults:
            print(f"FAILED {peer}: {fault}")
        print(f"{peer}: {count} files, {len(known[0]) + len(known[1])} known disagreements, {len(faults)} new")
        ran += 1
        failed = failed or bool(faults)
    return 1 if failed else 0 if ran else 77


if __name__ == "__main__":
    sys.exit(main())
