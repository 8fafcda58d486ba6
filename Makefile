PYTHON ?= python3
VENV := .venv
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test test-cluster bench lint clean

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@

demo: $(VENV)/.demo
	$(VENV)/bin/invoke regenerate --yes --apply

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n auto --dist loadfile

# On the cluster of KUBECONFIG, in namespaces that are removed again; docs/on-a-cluster.md says what the images have to hold.
test-cluster: $(VENV)/.test
	STILLROOM_TEST_CLUSTER=real $(VENV)/bin/python -m pytest tests/cluster

bench: $(VENV)/.test
	$(VENV)/bin/python -m tests.bench

# Type checker and contracts look for packages as folders; .lint shows them the tree as it is when installed.
lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	rm -rf .lint && mkdir -p .lint/stillroom
	ln -s $(CURDIR)/src/stillroom/* .lint/stillroom/
	ln -s $(CURDIR)/tasks .lint/stillroom/tasks
	ln -s $(CURDIR)/templates .lint/stillroom/templates
	MYPYPATH=.lint $(VENV)/bin/mypy
	PYTHONPATH=.lint $(VENV)/bin/lint-imports

clean:
	-$(VENV)/bin/invoke database --stop
	rm -rf $(VENV) .stillroom .lint
