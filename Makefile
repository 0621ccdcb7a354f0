# The front door. Everything below is also plain CMake: `cmake --preset release && cmake --build --preset release && ctest --preset release`.
# JOBS limits parallel work; DESTDIR and PREFIX are honoured by install.

JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
BUILD  := build/release

.PHONY: help deps build run run-shell demo test bench lint format fuzz soak dashboards pictures image image-test install clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

deps: ## install the Debian packages that are missing (apt-get, with sudo when not root); starts no service
	@scripts/deps.sh build run

build: deps ## build the daemon, build/release/oxpecker, and liboxpecker
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --target oxpecker liboxpecker -- -j$(JOBS)

run: build ## start the sidecar with an orchestrator (C, on liboxpecker) and a provider beside it; Ctrl-C ends all
	@cmake --build --preset release --target oxpecker-example-orchestrator -- -j$(JOBS)
	@examples/run/run.sh

run-shell: build ## the same with an orchestrator in a shell script
	@examples/run/run.sh shell

demo: build ## a day of an orchestrator in three minutes, again and again: every alert fires; Ctrl-C ends all
	@examples/day/demo.sh

test: ## every check and every test (what CI runs)
	@scripts/deps.sh build run test
	@JOBS=$(JOBS) scripts/test.sh

bench: ## figures beside their limits
	@scripts/deps.sh build run bench
	@JOBS=$(JOBS) scripts/bench.sh

lint: ## layers, headers, banned functions, format, shellcheck, clang-tidy
	@scripts/deps.sh build test
	@JOBS=$(JOBS) scripts/lint.sh

format: ## clang-format every C file in place
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

fuzz: ## run every fuzz target for FUZZ_SECONDS (60) each
	@scripts/deps.sh build test fuzz
	@JOBS=$(JOBS) scripts/fuzz.sh

soak: ## the long runs of the outbox: SOAK_KILLS (500) kills at each point, SOAK_ROUNDS (10) rounds of outages
	@scripts/deps.sh build run test
	@JOBS=$(JOBS) scripts/soak.sh

dashboards: ## make the Grafana dashboards from grafana/source
	@python3 grafana/build.py

pictures: build ## make docs/pictures from the demo, with Chromium; two minutes
	@scripts/deps.sh test
	@scripts/pictures.py

image-test: ## build the image with buildah, and try it: not root, read-only, an event, a scrape
	@scripts/deps.sh image
	@scripts/image-test.sh

image: ## build the container image with docker, podman or buildah
	@scripts/image.sh

install: build ## install below DESTDIR and PREFIX
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove build/
	@rm -rf build
