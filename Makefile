# Two commands are enough: make demo, make test. Everything else is below.
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell nproc)
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)
PYTHON ?= python3

.PHONY: setup demo test bench lint format dag unlock

setup: $(VENV)/.installed

# The stamp is written last, so an interrupted installation is done again.
$(VENV)/.installed: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

demo: setup
	$(SNAKEMAKE) demo_inputs
	$(SNAKEMAKE) --configfile config/demo.yaml

test: setup
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# Mutated files of every format, kills at random moments, a full disk at every step; about 20 minutes. The parts have
# options: .venv/bin/python tests/faults/kills.py --help, PYTHONPATH=tests .venv/bin/python -m faults.campaign --help
.PHONY: faults
faults: setup
	PYTHONPATH=tests $(BIN)/python -m faults.campaign
	$(BIN)/python tests/faults/kills.py
	$(BIN)/python tests/faults/full_disk.py

bench: setup
	$(BIN)/python bench/run.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

# Pictures of the workflow: its rules, and every job of a batch of two files.
dag: setup
	@command -v dot > /dev/null || { echo "make dag needs Graphviz: apt-get install graphviz"; exit 1; }
	rm -rf .dag && mkdir -p .dag/ecgs && touch .dag/ecgs/a.xml .dag/ecgs/b.xml
	printf 'ecg_machine_diagnosis,77_classes_ecg_file_name\nAF,a.xml\nSinus rhythm,b.xml\n' > .dag/two.csv
	for picture in rulegraph dag; do \
	  $(SNAKEMAKE) --$$picture --config table=.dag/two.csv signals=.dag/ecgs work=.dag/work results=.dag/results \
	    > .dag/$$picture.dot && dot -Tsvg .dag/$$picture.dot > .dag/$$picture.svg || exit 1; \
	done
	mv .dag/rulegraph.svg .dag/dag.svg resources/
	rm -rf .dag

# After a run was killed hard, Snakemake keeps its lock; this releases it. Then run again: finished work is kept.
unlock: setup
	$(SNAKEMAKE) --unlock

# The container image that --sdm apptainer and --use-singularity run jobs in, see docs/containers.md. IMAGE_ARGS go to
# apptainer build, such as IMAGE_ARGS="--build-arg WEIGHTS=weights".
IMAGE := containers/twelvelead.sif
.PHONY: image
image:
	@command -v apptainer > /dev/null || { echo "make image needs Apptainer 1.2 or newer, see https://apptainer.org/docs"; exit 1; }
	apptainer build --force $(IMAGE_ARGS) $(IMAGE:.sif=.unfinished.sif) containers/twelvelead.def
	mv $(IMAGE:.sif=.unfinished.sif) $(IMAGE)

# SLURM and Apptainer for real: installs what it needs as root, with apt-get.
.PHONY: test-cluster
test-cluster: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m cluster tests/cluster
