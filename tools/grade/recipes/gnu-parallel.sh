#!/bin/sh
# Grades a class in SHARDS processes on this machine, or on others with PARALLEL=--sshlogin=…: sh gnu-parallel.sh FOLDER OUT
# Once more with the same arguments: only the shards that have failed, and in them only what has not been graded.
#
# Sandbox here: whatever each machine has; namespaces on most Linux systems, see README.md.
# Tested here, on one machine. Untested: several.
set -eu
[ $# -eq 2 ] || { echo "usage: sh gnu-parallel.sh FOLDER OUT" >&2; exit 2; }
folder=$1 out=$2 shards=${SHARDS:-8} grade=${GRADE:-./grade}
mkdir -p "$out"
# shellcheck disable=SC2086 # FLAGS are several words
seq "$shards" | parallel --joblog "$out/joblog" --resume-failed -j "${JOBS:-2}" \
	"$grade" ${FLAGS:-} -shard "{}/$shards" -j 1 -resume -no-times -out "$out" "$folder" || status=$?
"$grade" merge -out "$out/all" "$out"/shard-*-of-"$shards"
exit "${status:-0}"
