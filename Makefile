# The only entry points. `make` alone prints this list.

BIN := bin/plugboard
LINTER := .cache/bin/golangci-lint
FUZZTIME ?= 10s
TRIALS ?= 20
DB ?= sqlite
REPLICAS ?=
MINUTES ?= 1
SEED ?= 0
VULNDB ?=
BASE ?=
VERSION ?=
CHECK ?=

.DEFAULT_GOAL := help
.PHONY: help run dev test check check/full lint fmt tidy/check docs docs/check docs/diff api api/check release build audit fuzz fuzz/short bench crash crash/points

help: ## print this list
	@awk -F ':.*## ' '/^[a-z\/]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start the service on SQLite, at http://127.0.0.1:8080
	@go build -o $(BIN) . && exec $(BIN) serve

dev: ## start the service, and each new version of it as files are saved
	@go tool plug dev

test: ## run all tests on SQLite and Postgres, with the race detector
	@.ci/test

check: tidy/check api/check docs/check lint test fuzz/short build ## everything that continuous integration runs

check/full: ## what takes longer than check may: generated clients speak to a service of odd shapes; a clone and a vendored service move on
	@cd app/apptest/clients && CLIENTS_ALL=1 go test -count=1 -timeout 20m -run '^TestAClientOf' ./...
	@SITE_ALL=1 .ci/test -count=1 ./app/plug/site

lint: $(LINTER) ## vet, the project's own rules, the linters of .golangci.yml, and those of OpenAPI documents
	go vet ./...
	go tool plug lint ./...
	$(LINTER) run --allow-parallel-runners
	.ci/api/lint docs/openapi.json
	.ci/npm/run spectral lint --quiet --ruleset .ci/api/swagger.yaml docs/swagger.json docs/swagger.yaml

fmt: $(LINTER) ## format the Go files
	$(LINTER) fmt

# The linters are built from source at the version that .ci/tools/go.mod pins, once.
$(LINTER): .ci/tools/go.mod .ci/tools/go.sum
	@echo "building golangci-lint, once; this takes some minutes"
	@cd .ci/tools && CGO_ENABLED=0 go build -trimpath -o ../../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

tidy/check:
	go mod tidy -diff
	@cd .ci/tools && go mod verify >/dev/null
	@cd .ci/audit && go mod tidy -diff && go vet ./... && go test ./...
	@cd .ci/release && go mod tidy -diff && go vet ./... && go test ./...

docs: ## generate from what plugins register: their annotations, and in docs/ the API, the events, the pictures, AI_CONTEXT.md
	@go tool plug docs

docs/check: ## fail when the annotations or docs/ are not what make docs generates
	@go tool plug docs -check

docs/diff: ## name the changes of the API since BASE (a commit, or a file) that break programs which call it
	@.ci/api/diff "$(BASE)"

api: ## write docs/api.txt, what the public packages promise to services
	@go -C .ci/release run . -dir ../.. api

api/check: ## fail when the public packages do not keep what docs/api.txt promises
	@go -C .ci/release run . -dir ../.. check

release: ## make the release VERSION (v0.1.0) of main: check, commit and tag; it pushes nothing
	@go -C .ci/release run . -dir ../.. $(if $(filter no,$(CHECK)),-skip-check) release "$(VERSION)"

# nomsgpack leaves out Gin's MessagePack binding, which nothing here uses: 6 MB.
build: ## build the static binary bin/plugboard
	CGO_ENABLED=0 go build -trimpath -tags nomsgpack -ldflags="-s -w" -o $(BIN) .
	@go version -m $(BIN) | grep -q 'CGO_ENABLED=0' || { echo "$(BIN) is not static" >&2; exit 1; }
	@! ldd $(BIN) >/dev/null 2>&1 || { echo "$(BIN) is linked dynamically" >&2; exit 1; }

audit: build ## list the binary's modules and licences; with VULNDB=<folder>, look for known vulnerabilities
	@.ci/audit/run $(BIN) "$(VULNDB)"

fuzz/short: # what make check has of fuzzing; longer by hand
	@$(MAKE) --no-print-directory fuzz FUZZTIME=3s

# Go's fuzzer sometimes takes the end of its own time for a failure ("context deadline exceeded", without a failing input): such a
# run is repeated once.
fuzz: ## fuzz every fuzz target for FUZZTIME (10s)
	@output=$$(mktemp); trap 'rm -f "$$output"' EXIT; \
	fuzz() { echo "$$1 $$2"; go test -run '^$$' -fuzz "^$$2\$$" -fuzzminimizetime 10x -fuzztime $(FUZZTIME) "$$1" >"$$output" 2>&1; code=$$?; cat "$$output"; return $$code; }; \
	grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:[0-9]*:func / /' | while read -r file name; do \
		fuzz "$$(dirname $$file)" "$$name" && continue; \
		grep -q 'context deadline exceeded' "$$output" && ! grep -q 'Failing input' "$$output" || exit 1; \
		fuzz "$$(dirname $$file)" "$$name" || exit 1; \
	done

bench: ## measure against the alternatives; prints ratios of one run
	@cd docs/benchmarks && { go run .; missed=$$?; go run ./workpool -only handoff,service,signins && exit $$missed; }

crash: ## kill the service TRIALS (20) times on DB (sqlite or postgres), or one of REPLICAS for MINUTES, and look for anything lost
	@go run ./app/apptest/crash $(if $(REPLICAS),-replicas $(REPLICAS) -minutes $(MINUTES),-trials $(TRIALS) -db $(DB)) -seed $(SEED)

crash/points: ## let it die at every named point on both databases; cut the power, suspend replicas, fill its memory
	@CRASH_ALL=1 .ci/test -count=1 ./app/apptest/crash/...
	@MEMORY_ALL=1 .ci/test -count=1 -run '^TestMemoryStaysWithinItsBudget$$' .
	@REVOCATIONS_ALL=1 .ci/test -count=1 -run '^TestRevocationsCountInAllReplicas$$' ./domains/accounts
