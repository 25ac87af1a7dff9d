# Two commands do everything: `make demo` and `make test`. Both set up what is missing.

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PAGES := src/hubbub/server/pages/index.html
PAGE_SOURCES := $(shell find web clients/typescript -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: setup demo pages test unit slow fuzz conformance browser typescript lint bench build clean

setup: .venv/ready node_modules/.package-lock.json

.venv/ready: pyproject.toml uv.lock hatch_build.py src/hubbub/protocol/websocket.proto
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv sync --frozen --reinstall-package hubbub
	touch .venv/ready

node_modules/.package-lock.json: package-lock.json package.json web/package.json clients/typescript/package.json
	npm ci --no-audit --no-fund
	touch node_modules/.package-lock.json

pages: $(PAGES)

$(PAGES): $(PAGE_SOURCES) node_modules/.package-lock.json
	npm run build

demo: setup pages
	HUBBUB_ANONYMOUS=true $(BIN)/hubbub serve --port $(PORT)

test: setup pages unit typescript slow

unit: .venv/ready
	$(BIN)/pytest -m "not slow"

typescript: node_modules/.package-lock.json
	npm test

# The slow suites: fuzzing, WebSocket conformance, a real browser, real servers.
slow: .venv/ready pages browsers servers proxies
	$(BIN)/pytest -m slow

fuzz: .venv/ready
	$(BIN)/pytest -m slow tests/fuzz

conformance: .venv/ready
	$(BIN)/pytest -m slow tests/conformance

browser: .venv/ready pages browsers
	$(BIN)/pytest -m slow tests/browser

# The guarantee over real sockets, in full size (`make test` has a short one), and over many simulated networks;
# SEEDS says how many.
.PHONY: chaos simulate
chaos: .venv/ready
	CHAOS_CLIENTS=$${CHAOS_CLIENTS:-1000} CHAOS_SECONDS=$${CHAOS_SECONDS:-60} $(BIN)/pytest -m slow tests/chaos

# Three nodes behind nginx while everything happens to them that can, with 1,000 clients: prints what these saw.
.PHONY: show
show: .venv/ready servers proxies
	CHAOS_CLIENTS=$${CHAOS_CLIENTS:-1000} CHAOS_SECONDS=$${CHAOS_SECONDS:-60} $(BIN)/pytest -s -m slow \
		tests/chaos/test_show.py

# Documents while the server is killed, KILLS times.
KILLS ?= 200
.PHONY: crash
crash: .venv/ready
	DOCUMENT_KILLS=$(KILLS) $(BIN)/pytest -m slow tests/collab/test_kills.py
	OWNER_KILLS=40 SHARING_SEEDS=200 $(BIN)/pytest -m slow tests/collab/test_owners.py tests/collab/test_sharing_faults.py

SEEDS ?= 10000
simulate: .venv/ready
	$(BIN)/hubbub simulate --seeds $(SEEDS)

# What is made from the server's types: the TypeScript client's. A test fails when it is not what this makes.
.PHONY: generate
generate: .venv/ready
	$(BIN)/hubbub schema typescript > clients/typescript/src/protocol.ts

# Chromium for the browser tests; without root and apt they skip, and say so.
.PHONY: browsers
browsers:
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null) || true

# Servers for the tests against real ones; without root and apt they skip, and say so.
.PHONY: servers
servers:
	@test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		(command -v redis-server && command -v mvn && test -e /usr/share/java/zookeeper.jar && ls /usr/lib/postgresql) >/dev/null 2>&1 || \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server zookeeper maven postgresql >/dev/null) || true
	@ls .cache/kafka/kafka_2.13-*.jar >/dev/null 2>&1 || ! command -v mvn >/dev/null || \
		mvn -q -B -f tests/servers/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
			-DoutputDirectory="$(CURDIR)/.cache/kafka" >/dev/null || true

# nginx and HAProxy for the tests of their configurations, likewise.
.PHONY: proxies
proxies:
	@{ command -v nginx && command -v haproxy; } >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		(apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light haproxy >/dev/null) || true

lint: setup
	$(BIN)/ruff format --check src tests bench examples hatch_build.py
	$(BIN)/ruff check src tests bench examples hatch_build.py
	$(BIN)/mypy
	npm run check

bench: .venv/ready
	$(BIN)/uv sync --frozen --group bench
	$(BIN)/python -m bench.run

build: setup pages
	rm -rf dist
	$(BIN)/uv build --quiet
	npm pack --workspace clients/typescript --pack-destination dist

clean:
	rm -rf .venv node_modules dist src/hubbub/server/pages clients/typescript/dist
