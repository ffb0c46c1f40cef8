.DEFAULT_GOAL := help
PYTHON ?= python3

help:      ## what can be made
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 12

setup:     ## install what Maru needs: system packages, .venv, the maru command
	@PYTHON=$(PYTHON) tools/setup

up: setup  ## start Maru and return when it is ready
	@.venv/bin/maru up

test:      ## set up, check, and run every test, with real clients too
	@PYTHON=$(PYTHON) tools/setup dev
	@tools/test

check:     ## style, types and layers only
	@PYTHON=$(PYTHON) tools/setup dev
	@tools/check

clients:   ## only the real clients against a running platform
	@PYTHON=$(PYTHON) tools/setup dev
	@.venv/bin/pytest -q -m clients

bench:     ## measure, side by side with peers that are installed
	@PYTHON=$(PYTHON) tools/setup dev
	@.venv/bin/python -m bench

lock:      ## write the two lock files anew from pyproject.toml
	@tools/lock

.PHONY: help setup up test check clients bench lock
