#!/bin/sh
# Scores the fixtures with the model that the program carries; what an image or a package runs to see that it works.
set -eu
here=$(dirname "$(readlink -f "$0")")
out=$(mktemp -d)
mpra-score --bed "$here/fixtures/regions.bed" --fasta "$here/fixtures/genome.fa" --out "$out/results" --report
test -s "$out/results/HepG2_minP.importance.bw"
test -s "$out/results/report.html"
echo "the demo's results are whole"
