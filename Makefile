# Each command makes .venv when it is missing, installs into it, and runs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo quick test lint

demo: $(VENV)/.run
	mkdir -p out
	$(RUN) -m adain_core stylize examples/content_astronaut.jpg examples/style_starry_night.jpg -o out/demo.png --refine 10
	@echo "The stylized photo is out/demo.png"

# About a minute: all tests but the slow ones.
quick: $(VENV)/.dev
	$(RUN) -m ruff check .
	$(RUN) -m pytest -m "not slow"

# Everything, on two cores at once.
test: lint
	$(RUN) -m pytest -n 2 --dist loadfile --durations 25

lint: $(VENV)/.dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m bandit -q -c pyproject.toml -r adain_core nodes __init__.py
	mkdir -p $(VENV)/mypy
	ln -sfn ../.. $(VENV)/mypy/adain_pack
	$(RUN) -m mypy
	PYTHONPATH=$(VENV)/mypy $(VENV)/bin/lint-imports --no-logo --no-cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
