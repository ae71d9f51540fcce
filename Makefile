# make demo   watch a disk being updated, booted, broken and falling back
# make test   lint, types, and the tests; `make test-slow` and `make test-vm` have those that take long
# Each target sets up what it needs: Debian packages (when missing, and root), .venv, the package.
SHELL := /bin/bash
export PATH := $(PATH):/usr/sbin:/sbin
PYTHON ?= python3
BIN := .venv/bin
LOCK := .ci/requirements.lock
STAMP := .venv/.installed
# What the tests need; the cloud key services that cannot be tried here are left out.
EXTRAS := images demo simulate charts s3 aws hsm fleet service agent kubernetes ecs dev

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-vm lint bench deb clean setup lock format

help:
	@sed -n '1,3p' Makefile

setup: $(STAMP)

$(STAMP): $(LOCK) pyproject.toml .ci/setup
	@PYTHON="$(PYTHON)" .ci/setup
	@touch $@

demo: $(STAMP)
	$(BIN)/python -m fixtures.demo

test: lint
	.ci/test fast

test-slow: $(STAMP)
	.ci/test slow

# Boots machines in QEMU: a few minutes, and Debian packages fetched by apt once.
test-vm: $(STAMP)
	.ci/test vm

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	.ci/bench

# The Debian package, into dist/; docs/debian.md.
deb: $(STAMP)
	$(BIN)/python -m packaging_tools.debian.build

# Renew the lock file. The index is the one pip is set up for; its address is not written.
lock: $(STAMP)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q $(foreach extra,$(EXTRAS),--extra $(extra)) --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --no-header --output-file $(LOCK) pyproject.toml

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
