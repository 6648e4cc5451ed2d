# Both commands make .venv when it is missing, install into it, and run.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test

demo: $(VENV)/.run
	mkdir -p out
	$(RUN) -m adain_core stylize examples/content_astronaut.jpg examples/style_starry_night.jpg -o out/demo.png
	@echo "The stylized photo is out/demo.png"

test: $(VENV)/.dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	mkdir -p $(VENV)/mypy
	ln -sfn ../.. $(VENV)/mypy/adain_pack
	$(RUN) -m mypy
	$(RUN) -m pytest

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
