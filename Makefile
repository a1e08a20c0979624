# The front door. Each target is a line that you could type yourself.

GO     ?= go
TOOL    = $(GO) tool -modfile=tools/go.mod
FUZZ   ?= 60s
# The race detector needs a C compiler; the product never does.
RACE    = $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)
export CGO_ENABLED = $(if $(RACE),1,0)

.PHONY: all
all: fmt lint test ## format, lint, test

.PHONY: build
build: ## the binary, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/bakeoff ./cmd/bakeoff

.PHONY: fmt
fmt: ## rewrite the sources in the one format
	$(TOOL) gofumpt -w $$(git ls-files '*.go' ':!*_templ.go')

.PHONY: generate
generate: ## the Go of the pages, from their templates
	@for file in $$(git ls-files "*.templ"); do $(TOOL) templ generate -include-version=false -f $$file; done

.PHONY: lint
lint: ## everything that finds faults without running the code
	@test -z "$$($(TOOL) gofumpt -l $$(git ls-files '*.go' ':!*_templ.go') | tee /dev/stderr)"
	@for file in $$(git ls-files '*.templ'); do $(TOOL) templ generate -include-version=false -stdout -f $$file 2>/dev/null | cmp -s - $${file%.templ}_templ.go || \
	  { echo "$$file is newer than its Go: make generate" >&2; exit 1; }; done
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) errcheck -exclude tools/errcheck.txt ./...
	$(TOOL) sloglint -no-mixed-args ./...

.PHONY: test
test: parts ## every test, with the real parts, which it installs
	BAKEOFF_TEST_PARTS=1 $(GO) test $(RACE) -timeout 11m ./...

.PHONY: parts
parts: ## install the real parts that tests run with
	tools/install-parts.sh

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZ (60s) each
	@set -e; for file in $$(git grep -l 'func Fuzz' -- '*_test.go'); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$file); do \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x ./$$(dirname $$file); done; done

.PHONY: bench
bench: ## every benchmark
	$(GO) test -run '^$$' -bench . -benchmem -timeout 30m ./...

.PHONY: bench-peers
bench-peers: ## the learners beside scikit-learn and XGBoost, which it installs; PEERS="-data telco_churn" for less
	tools/install-peers.sh
	CGO_ENABLED=0 $(GO) run ./internal/learn/peers $(PEERS)

.PHONY: long
long: ## the tests that kill, swap and restart, for as long as the promised figures ask for
	$(GO) test -v -timeout 2h ./e2e -long
	$(GO) test -v -timeout 10m ./internal/inference -run SwapUnderLoad -load 60s -rate 5000

.PHONY: image
image: ## the build of the Dockerfile, tried without docker
	tools/check-image.sh

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile
