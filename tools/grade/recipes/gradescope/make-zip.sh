#!/bin/sh
# Makes autograder.zip for Gradescope, in the folder where it is called: sh make-zip.sh
# The archive has setup.sh and run_autograder at its top, and the project without its history.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../../.." && pwd)
target=$PWD/autograder.zip
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/setup.sh" "$here/run_autograder" "$work"
chmod 755 "$work/setup.sh" "$work/run_autograder"
mkdir "$work/project"
(cd "$project" && cp -R labs tools lessons go.mod go.sum "$work/project")
rm -rf "$work/project/tools/grade/testdata" # not for students' eyes
rm -f "$target"
(cd "$work" && zip -q -r "$target" .)
echo "$target: upload it under Configure Autograder"
