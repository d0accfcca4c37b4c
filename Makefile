# `make demo` and `make test` do all their own set-up. Everything they fetch is pinned: crates by
# Cargo.lock, ONNX Runtime by scripts/onnxruntime.txt, Python packages by scripts/crosscheck.txt.

SETUP := .setup
PYTHON ?= python3

.PHONY: faults fuzz python-test browser-test workflow-test deny bench-peers help setup build demo test crosscheck crosscheck-elsewhere bench fixtures lint asan

help:
	@echo "make demo        target/demo/mpra-score; scores the fixtures, lists the tracks"
	@echo "make test        all tests, those of the Python module too, and the cross-checks with other tools"
	@echo "make build       target/release/mpra-score, the fastest (compiles for longer)"
	@echo "make crosscheck  only the cross-checks (pyBigWig, numpy, scikit-learn, Python onnxruntime)"
	@echo "make crosscheck-elsewhere  tracks.ini drawn by pyGenomeTracks (fetches 620 MB)"
	@echo "make python-test the Python module, built and tried (pip install . builds it for yourself)"
	@echo "make browser-test  the pages of results in a real browser (chromium, from apt if there is none)"
	@echo "make workflow-test  the Snakemake workflow, on this machine and a Slurm cluster of its own (from apt if there is none)"
	@echo "make faults      every job under signals, kill -9, a full disk and the like, at MOMENTS=50 moments; a table"
	@echo "make fuzz        every job on spoiled inputs, for SECONDS=600; a table"
	@echo "make bench       speed, beside Python onnxruntime and other programs"
	@echo "make bench-peers only the table beside other programs (fetches torch and TensorFlow, 3 GB)"
	@echo "make fixtures    write fixtures/ again"
	@echo "make lint        formatting and clippy, warnings as errors"
	@echo "make deny        licences and sources of the dependencies (cargo-deny)"
	@echo "make asan        the engines' tests under AddressSanitizer (builds everything anew)"

setup:
	@$(PYTHON) scripts/fetch_onnxruntime.py $(SETUP)
	@$(PYTHON) scripts/fetch_igv.py $(SETUP)

# ONNX Runtime, and igv.js, beside a program in target/.
define beside
	@if [ -f $(SETUP)/igv.min.js ]; then cmp -s $(SETUP)/igv.min.js target/$(1)/igv.min.js \
	    || cp $(SETUP)/igv.min.js target/$(1)/igv.min.js; fi
	@cmp -s $(SETUP)/onnxruntime "target/$(1)/$$(readlink $(SETUP)/onnxruntime)" \
	    || cp $(SETUP)/onnxruntime "target/$(1)/$$(readlink $(SETUP)/onnxruntime)"
endef

build: setup
	cargo build --release --locked
	$(call beside,release)

# The same program in a profile that compiles in half the time (Cargo.toml).
demo: setup
	cargo build --profile demo --locked
	$(call beside,demo)
	target/demo/mpra-score --bed fixtures/regions.bed --fasta fixtures/genome.fa \
	    --out demo-results --format bigwig,bedgraph --report --force
	@echo
	@echo "To look at the results: open demo-results/report.html, or run"
	@echo "target/demo/mpra-score serve demo-results"
	@echo "To look at a track in a browser: load fixtures/genome.fa as the genome and"
	@echo "demo-results/HepG2_minP.importance.bw as a track in IGV (Genomes > Load Genome from File,"
	@echo "File > Load from File), or for your own genome upload the .bw and give its address to"
	@echo "UCSC's \"Add custom tracks\":  track type=bigWig bigDataUrl=https://.../HepG2_minP.importance.bw"

test: setup
	cargo test --locked
	$(MAKE) --no-print-directory python-test
	$(MAKE) --no-print-directory crosscheck

# Python packages for the cross-checks, apart from the system's own.
$(SETUP)/python/.done: scripts/crosscheck.txt
	rm -rf $(SETUP)/python
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
	    --target $(SETUP)/python --requirement scripts/crosscheck.txt
	@touch $@

crosscheck: setup $(SETUP)/python/.done
	cargo build --locked
	ORT_DYLIB_PATH=$(SETUP)/onnxruntime PYTHONPATH=$(SETUP)/python \
	    $(PYTHON) scripts/crosscheck.py target/debug/mpra-score

$(SETUP)/elsewhere/.done: scripts/crosscheck_elsewhere.txt
	rm -rf $(SETUP)/elsewhere
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
	    --target $(SETUP)/elsewhere --requirement scripts/crosscheck_elsewhere.txt
	@touch $@

crosscheck-elsewhere: setup $(SETUP)/elsewhere/.done
	cargo build --locked
	ORT_DYLIB_PATH=$(SETUP)/onnxruntime PYTHONPATH=$(SETUP)/elsewhere \
	    $(PYTHON) scripts/crosscheck_elsewhere.py target/debug/mpra-score

# The Python module in the profile of the tests, whose crates are compiled by then; numpy and ONNX Runtime are
# those of the cross-checks.
$(SETUP)/pytest/.done: python/tests/requirements.txt
	rm -rf $(SETUP)/pytest
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
	    --target $(SETUP)/pytest --requirement python/tests/requirements.txt
	@touch $@

python-test: $(SETUP)/python/.done $(SETUP)/pytest/.done
	rm -rf $(SETUP)/module
	MATURIN_PEP517_ARGS="--profile dev" $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps \
	    --target $(SETUP)/module .
	PYTHONPATH=$(SETUP)/module:$(SETUP)/python:$(SETUP)/pytest \
	    $(PYTHON) -m pytest -q -p no:cacheprovider python/tests

$(SETUP)/browser/.done: tests/browser/requirements.txt
	rm -rf $(SETUP)/browser
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
	    --target $(SETUP)/browser --requirement tests/browser/requirements.txt
	@touch $@

browser-test: setup $(SETUP)/browser/.done
	cargo build --locked
	$(call beside,debug)
	@if ! command -v chromium > /dev/null && ! command -v google-chrome > /dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null; fi; \
	if ! command -v chromium > /dev/null && ! command -v google-chrome > /dev/null; then \
	    echo "skipped: browser-test, as there is no chromium and apt-get could not install it"; \
	else PYTHONPATH=$(SETUP)/browser ORT_DYLIB_PATH=$(SETUP)/onnxruntime \
	    $(PYTHON) tests/browser/report.py target/debug/mpra-score fixtures; fi

# One of the packages, connection_pool, is to be had as its source alone.
$(SETUP)/workflow/.done: tests/workflow/requirements.txt
	rm -rf $(SETUP)/workflow
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile --only-binary=:all: --no-binary=connection_pool \
	    --target $(SETUP)/workflow --requirement tests/workflow/requirements.txt
	@touch $@

# Slurm's programs may be installed by root alone; what is missing then is said by the test.
workflow-test: setup $(SETUP)/workflow/.done
	cargo build --locked
	$(call beside,debug)
	@if ! $(PYTHON) tests/workflow/slurm.py > /dev/null && command -v apt-get > /dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge > /dev/null || true; fi
	PYTHONPATH=$(CURDIR)/$(SETUP)/workflow PATH="$(CURDIR)/$(SETUP)/workflow/bin:$$PATH" \
	    ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime $(PYTHON) tests/workflow/run.py --program target/debug/mpra-score

# Both run in short form with `cargo test`; docs/reliability.md.
faults: setup
	FAULT_MOMENTS=$(or $(MOMENTS),50) ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime cargo test --locked --test faults

fuzz: setup
	FUZZ_SECONDS=$(or $(SECONDS),600) ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime cargo test --locked --test fuzz

# Networks of the benchmarks, with random weights: the time does not depend on them.
target/bench/dragonn.onnx: benches/models.rs src/model/onnx/presets.rs
	cargo run --locked --release --example bench_models -- target/bench

# Ratios in one run; see benches/README.md. MODEL is what predictions are compared on.
MODEL ?= target/bench/dragonn.onnx
bench: build $(SETUP)/python/.done target/bench/dragonn.onnx
	ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime cargo bench --locked --bench ism
	ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime cargo bench --locked --bench graphs
	PYTHONPATH=$(SETUP)/python $(PYTHON) benches/end_to_end.py
	PYTHONPATH=$(SETUP)/python $(PYTHON) benches/variants.py
	PYTHONPATH=$(SETUP)/python $(PYTHON) benches/predictions.py --model $(MODEL)
	PYTHONPATH=$(SETUP)/python $(PYTHON) benches/graphs.py target/bench/deepstarr.onnx target/bench/basset.onnx \
	    target/bench/malinois.onnx
	$(PYTHON) benches/training.py
	$(MAKE) --no-print-directory bench-peers

# Each in an environment of its own, as torch's and TensorFlow's numpy differ; see benches/peers/README.md.
$(SETUP)/peers/.done: benches/peers/requirements.txt
	rm -rf $(SETUP)/peers
	$(PYTHON) -m venv $(SETUP)/peers
	$(SETUP)/peers/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(SETUP)/peers-tf/.done: benches/peers/requirements-fastism.txt
	rm -rf $(SETUP)/peers-tf
	$(PYTHON) -m venv $(SETUP)/peers-tf
	$(SETUP)/peers-tf/bin/pip install --quiet --disable-pip-version-check --requirement $<
	$(SETUP)/peers-tf/bin/pip install --quiet --disable-pip-version-check --no-deps fastism==0.5.1
	@touch $@

# Without TensorFlow (its version is to be had for Python before 3.12 only) fastISM's column says so.
NETWORKS ?= dragonn deepstarr basset malinois search legnet bpnet
bench-peers: build $(SETUP)/peers/.done target/bench/dragonn.onnx
	-@$(MAKE) --no-print-directory $(SETUP)/peers-tf/.done
	$(SETUP)/peers/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime $(SETUP)/peers/bin/python benches/peers/graphs.py \
	    $(NETWORKS:%=target/bench/%.onnx) --program target/release/mpra-score \
	    --tf-python $(SETUP)/peers-tf/bin/python

fixtures:
	cargo run --locked --example fixtures -- fixtures

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

# The engines' unit and property tests under AddressSanitizer. The sanitizer's flag is one that the
# stable compiler has but does not admit to; naming the target keeps it from build scripts.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
asan: setup
	ORT_DYLIB_PATH=$(CURDIR)/$(SETUP)/onnxruntime CARGO_TARGET_DIR=target/asan \
	    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
	    sh -c 'cargo test --locked --target $(HOST) --lib ism:: && \
	    cargo test --locked --target $(HOST) --test integration fast_engine'

# The newest advisories need the network: `cargo deny check advisories`.
deny:
	cargo deny --locked --offline check bans licenses sources
