#!/usr/bin/env python3
"""Makes prometheusrule.yml, for the Prometheus operator, from rule files: their groups as they stand, comments too.

    deploy/kubernetes/rules.py                 from alerts/rulefiles/orchestrator.yml and prometheus-only.yml
    deploy/kubernetes/rules.py FILE...         from these
    deploy/kubernetes/rules.py --check         says whether the file in the tree is what the first would make

A rule file must have nothing but `groups:` at its margin, as those in alerts/rulefiles have."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parents[1] / "alerts/rulefiles"
MADE = HERE / "prometheusrule.yml"
HEAD = """\
# Made by deploy/kubernetes/rules.py from {names}; do not edit.
# For the Prometheus operator, which looks for it by labels: docs/deploy.md.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: collector
  namespace: collector
  labels: {{app.kubernetes.io/name: collector}}
spec:
  groups:
"""


def groups(path):
    """The lines below `groups:`, one step further in."""
    head, found, body = path.read_text().partition("groups:\n")
    margin = [line for line in head.splitlines() + body.splitlines() if line and line[0] not in " #"]
    if not found or margin:
        sys.exit(f"{path}: there must be `groups:` and nothing else at the margin")
    return "".join("  " + line + "\n" if line else "\n" for line in body.rstrip("\n").splitlines())


def main():
    files = [pathlib.Path(word) for word in sys.argv[1:] if word != "--check"] or [RULES / "orchestrator.yml", RULES / "prometheus-only.yml"]
    text = HEAD.format(names=" and ".join(path.name for path in files)) + "\n".join(groups(path) for path in files)
    if "--check" not in sys.argv:
        MADE.write_text(text)
    elif not MADE.exists() or MADE.read_text() != text:
        sys.exit(f"{MADE.name} is not what the rules make of it: run deploy/kubernetes/rules.py")


if __name__ == "__main__":
    main()
