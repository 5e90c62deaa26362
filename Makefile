# Nexus COS: everything a developer or an operator runs from a clone. `make help` lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# System packages, one reason each. `make setup` installs only what is missing (Debian and its kin).
#   bash, coreutils  the recipes of this file                  (part of every Debian)
#   git              version stamp of the binary
#   ca-certificates  fetching Go modules over TLS
#   tmux             driving the console by hand and in the terminal script tests
#   jq               reading JSON output in the examples of the README and in script tests
#   dnsutils         dig: asking the names that a launch prints
#   openssh-client   ssh, ssh-keygen, ssh-agent: the script test of the SSH console
#   gcc, libc6-dev   `make race` only: the race detector is built through cgo
#   hledger, beancount  checking a unit's journal with other people's programs in a script test
#   nghttp2-client   h2load: another implementation's load on the edge's HTTP/2
#   poppler-utils    pdftotext: reading the PDF of a statement in a script test
COMMANDS_NEEDED := git:git tmux:tmux jq:jq dig:dnsutils ssh:openssh-client gcc:gcc pdftotext:poppler-utils h2load:nghttp2-client hledger:hledger bean-check:beancount
FILES_NEEDED    := /etc/ssl/certs/ca-certificates.crt:ca-certificates /usr/include/stdlib.h:libc6-dev
GO_MIN_MINOR    := 26

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BIN         := bin/nexus
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# The commit's own time, not now: the same source gives the same bytes.
BUILD_TIME  := $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo unknown)
LDFLAGS     := -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.buildTime=$(BUILD_TIME)
FUZZ_TIME   ?= 10s
COUNT       ?= 6

.PHONY: help setup go-version build launch test check cross race fuzz bench bench-console peers e2e browser autobahn pictures soak docs

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

go-version:
	@command -v go >/dev/null || { echo "go is not installed: get Go 1.$(GO_MIN_MINOR) or newer from https://go.dev/dl/" >&2; exit 1; }
	@found="$$(go env GOVERSION)"; minor="$${found#go1.}"; minor="$${minor%%[!0-9]*}"; \
	[[ "$$found" == go1.* && -n "$$minor" && "$$minor" -ge $(GO_MIN_MINOR) ]] || { \
	echo "$$found is too old: get Go 1.$(GO_MIN_MINOR) or newer from https://go.dev/dl/" >&2; exit 1; }

setup: go-version ## install the system packages that are missing (apt-get; root or sudo)
	@missing=(); \
	for pair in $(COMMANDS_NEEDED); do command -v "$${pair%%:*}" >/dev/null || missing+=("$${pair##*:}"); done; \
	for pair in $(FILES_NEEDED); do [[ -e "$${pair%%:*}" ]] || missing+=("$${pair##*:}"); done; \
	if [[ $${#missing[@]} -eq 0 ]]; then exit 0; fi; \
	run=(); if [[ $$EUID -ne 0 ]]; then run=(sudo); fi; \
	if ! command -v apt-get >/dev/null || { [[ $$EUID -ne 0 ]] && ! command -v sudo >/dev/null; }; then \
	echo "missing and not installable from here (needs apt-get, and root or sudo): $${missing[*]}" >&2; exit 1; fi; \
	echo "installing: $${missing[*]}"; \
	"$${run[@]}" apt-get update -qq </dev/null; \
	"$${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null

build: go-version ## compile bin/nexus (and bin/nexus-verify) with the version stamped in
	@mkdir -p bin
	@for dir in cmd/nexus cmd/nexus-verify; do \
	if compgen -G "$$dir/*.go" >/dev/null; then go build -trimpath -ldflags '$(LDFLAGS)' -o "bin/$${dir##*/}" "./$$dir"; fi; done
	@test -x $(BIN)

launch: setup build ## bring the whole stack up: on a terminal with the console, otherwise headless
	@if [[ -t 0 && -t 1 ]]; then mode=(); else mode=(--no-tui --output text); fi; \
	exec $(BIN) launch --allow-degraded --log-dir logs/final-launch "$${mode[@]}"

test: setup build ## run every test (under 20 minutes on two cores)
	go test -count=1 -timeout 5m ./cmd/archtest/
	go test -timeout 15m -p 2 ./...

check: setup build ## everything a commit must pass: format, vet, staticcheck, architecture, style, fresh docs
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; \
	if [[ -n "$$unformatted" ]]; then echo "gofmt would change:" >&2; echo "$$unformatted" >&2; exit 1; fi
	go vet ./...
	$(MAKE) --no-print-directory cross
	go run $(STATICCHECK) ./...
	go test -count=1 ./cmd/archtest/
	@fresh="$$(mktemp -d)"; trap 'rm -rf "$$fresh"' EXIT; \
	$(BIN) docs "$$fresh"; \
	diff -r -x README.md docs/reference "$$fresh" || { echo "docs/reference is stale: run make docs" >&2; exit 1; }
	@echo "check: all green"

cross: go-version ## check that everything builds on other systems (a node runs on Linux; what others lack says so there)
	GOOS=windows go vet ./...
	GOOS=darwin go vet ./...

race: setup ## run every test under the race detector
	go test -race -timeout 30m -p 1 ./...

fuzz: go-version ## run each fuzz target for FUZZ_TIME (default 10s)
	@grep -rhoE --include='*_test.go' --exclude-dir=testdata -H '^func Fuzz[A-Za-z0-9_]+' . \
	| sed -E 's#^(.*)/[^/]+_test\.go:func (Fuzz.*)$$#\1 \2#' | sort -u \
	| while read -r dir target; do echo "== $$dir $$target"; \
	go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ_TIME) "$$dir" </dev/null; done

bench: build ## run the Go benchmarks COUNT times, in the form benchstat reads
	go test -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 60m -p 1 ./...

peers: go-version ## compare the gates with OPA, Cedar and CEL: same verdicts, then the time; witnesses with those of transparency-dev
	cd cluster/witness/testdata/peers && go vet . && go test -count=1 .
	cd gates/testdata/peers && go vet . && go test -count=1 . && go test -run '^$$' -bench . -benchmem -benchtime 1s -count 5 .

bench-console: setup build ## measure the console beside htop and btop (installed when missing)
	@missing=(); for p in htop btop; do command -v $$p >/dev/null || missing+=($$p); done; \
	if [[ $${#missing[@]} -gt 0 ]]; then run=(); if [[ $$EUID -ne 0 ]]; then run=(sudo); fi; \
	"$${run[@]}" apt-get update -qq </dev/null; \
	"$${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null; fi
	$(BIN) bench console

e2e: setup build ## run only the script tests, against the real binary
	@grep -rqE --include='*_test.go' '^func TestScript' cmd || { echo "there are no script tests under cmd" >&2; exit 1; }
	go test -count=1 -timeout 15m -run '^TestScript' ./cmd/...

browser: setup ## run the browser's client in headless Chromium (installed when missing) against real edges
	@if ! command -v chromium >/dev/null; then run=(); if [[ $$EUID -ne 0 ]]; then run=(sudo); fi; \
	"$${run[@]}" apt-get update -qq </dev/null; \
	"$${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium </dev/null; fi
	@mkdir -p bin
	go vet -tags browser ./slices/session/proof
	NEXUS_BROWSER_SHOTS=$(CURDIR)/bin go test -tags browser -count=1 -timeout 10m -v -run '^TestChromium' ./slices/session/proof
	@echo "what the page showed: bin/browser-*.png"

pictures: setup build ## record the sessions that docs/console.md shows on a real node, and draw them
	go test -tags pictures -count=1 -timeout 5m -run '^TestPictures$$' ./cmd/nexus
	go test -count=1 -run '^TestPicturesAreOfTheirRecordings$$' ./cmd/nexus

autobahn: go-version ## run Autobahn's WebSocket cases (wstest, which needs Python 2, in the PATH) through a gateway
	go vet -tags autobahn ./slices/edge/conform
	go test -tags autobahn -count=1 -timeout 90m -v -run '^TestAutobahn' ./slices/edge/conform

soak: setup build ## run the long variants of the tests (hours)
	NEXUS_SOAK=1 go test -count=1 -timeout 6h -p 1 ./...

docs: build ## regenerate docs/reference from the lists in the code
	$(BIN) docs docs/reference
