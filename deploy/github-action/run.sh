#!/usr/bin/env bash
# Runs the gate in a GitHub job: annotations on stdout, a summary, the reports as files, and the exit code as it is.
# What comes from a workflow's inputs arrives in variables and is never read as code.
set -euo pipefail

command="${GRADPROOF_COMMAND:-run}"
reports="${GRADPROOF_REPORTS:-.gradproof/reports}"
read -r -a arguments <<<"${GRADPROOF_ARGUMENTS:-}" || true

case "$command" in
  run | prove | lint) ;;
  *)
    echo "::error title=gradproof::command: expected run, prove or lint"
    exit 2
    ;;
esac

mkdir -p "$reports"
code=0
python -m gradproof gate "$command" \
  --output "github=$reports/annotations.txt" \
  --output "markdown=$reports/summary.md" \
  --output "sarif=$reports/gradproof.sarif" \
  --output "junit=$reports/gradproof.xml" \
  --output "json=$reports/gradproof.json" \
  "${arguments[@]}" || code=$?

if [[ -f "$reports/annotations.txt" ]]; then
  cat "$reports/annotations.txt"
fi
if [[ -f "$reports/summary.md" && -n "${GITHUB_STEP_SUMMARY:-}" ]]; then
  cat "$reports/summary.md" >>"$GITHUB_STEP_SUMMARY"
fi
if [[ -n "${GITHUB_OUTPUT:-}" ]]; then
  {
    echo "exit-code=$code"
    echo "sarif=$PWD/$reports/gradproof.sarif"
    echo "junit=$PWD/$reports/gradproof.xml"
    echo "json=$PWD/$reports/gradproof.json"
  } >>"$GITHUB_OUTPUT"
fi
exit "$code"
