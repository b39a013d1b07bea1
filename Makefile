# VM Orchestrator. `make help` lists what there is; so does the window itself.
#
# run, dev and test install what is missing by themselves (scripts/setup.sh) and
# say so; when everything is there that look costs a few hundredths of a second.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

## folder that the window opens with: your own project instead of the sample
PROJECT ?= build/sample
## port of the development server, on the loopback
DEV_PORT ?= 34115
## how many MiB of log lines make bench records; of a host's, at most 256
BENCH_MIB ?= 1024

LDFLAGS = $(shell scripts/version.sh ldflags || echo -X main.version=dev)
WINDOW_TAGS := desktop,production,webkit2_41
# Not ./...: that would look for Go packages in node_modules as well.
PACKAGES := . ./app/... ./build/... ./cmd/... ./internal/...

# The page is built when one of its sources is newer than what was built.
PAGE := frontend/dist/index.html
PAGE_SOURCES := $(wildcard frontend/*.html frontend/*.json frontend/*.ts frontend/*.js) \
	$(shell find frontend/src frontend/public frontend/wailsjs -type f 2>/dev/null)

##@ Use it

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^## / { about = substr($$0, 4) } \
		/^[A-Z_]+ \?= / && about { split($$0, set, " \\?= "); vars = vars sprintf("  %-10s %s (%s)\n", set[1], about, set[2]); about = "" } \
		/^[a-z][a-z-]*:.*## / { sub(/^@tty /, "", $$2); printf "  %-10s %s\n", $$1, $$2 } \
		END { printf "\nVariables, as in make run PROJECT=~/src/app\n%s\n", vars }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: build ## Open the window; without a display, run a sample target in the terminal
	@scripts/run.sh "$(PROJECT)"

.PHONY: build
build: need-build window vmo ## Build the window and vmo into build/bin and bin

.PHONY: validate
validate: need-build vmo ## Measure what is promised, with the real vmo in a folder of its own
	@scripts/validate.sh bin/vmo

##@ Give it to others

.PHONY: package
package: need-package bin/nfpm bin/cyclonedx-gomod $(PAGE) ## Packages, programs and installer for every system, into dist
	@scripts/package.sh

.PHONY: package-test
package-test: need-package-test bin/nfpm bin/cyclonedx-gomod $(PAGE) ## Install, use, update and remove the packages in a copy of this machine; DIST=dist: those that are there
	@scripts/package-test.sh $(DIST)

.PHONY: repro
repro: need-package bin/nfpm bin/cyclonedx-gomod ## Build them twice, in two folders, and compare: the same commit gives the same bytes
	@scripts/repro.sh

##@ Work on it

.PHONY: setup
setup: vmo ## Install everything that building and testing need, and start a database for development
	@scripts/setup.sh test
	@scripts/database.sh start >/dev/null
	@echo "everything is there: $$(scripts/database.sh where)"

.PHONY: dev
dev: need-display bin/wails vmo ## The window with hot reload, and its page in a browser, until Ctrl-C; with a database where there is one
	@url=$$(scripts/database.sh start); \
		[ -z "$$url" ] || export VMO_DATABASE_URL=$$url PGPASSWORD=$$(scripts/database.sh password); \
		DEV_ADDRESS=127.0.0.1:$(DEV_PORT) scripts/dev.sh start "$(PROJECT)"

.PHONY: stop
stop: ## Stop what make dev and make setup started
	@scripts/dev.sh stop
	@scripts/database.sh stop

.PHONY: check
check: need-build bin/wails bin/staticcheck $(PAGE) ## Look for mistakes without running anything: format, vet, lint, types, generated files
	@scripts/check.sh

.PHONY: test
test: need-test bin/wails bin/staticcheck bin/nfpm bin/cyclonedx-gomod $(PAGE) vmo window ## Everything that must hold: check, then all tests, in the browser and in the window too
	@scripts/test.sh

.PHONY: bench
bench: need-bench ## Compare recording with plain pipes, script and asciinema, hosts with ssh, clush and pssh, and the database with psql
	@go test ./cmd/vmo -run '^TestBench(Hosts|Archive)?$$' -v -count=1 -timeout 60m -bench-mib $(BENCH_MIB)

.PHONY: bindings
bindings: need-build bin/wails $(PAGE) ## Write frontend/wailsjs anew from the bound Go methods
	@bin/wails generate module -tags webkit2_41 -nocolour

.PHONY: golden
golden: ## Write anew what the tests compare with the code: the import graph, docs/cli.md, docs/schemas
	@go test ./internal -run Golden -update
	@go test ./cmd/vmo -run 'Reference|Schemas' -update
	@go test ./internal/engine -run SettingsSchema -update

.PHONY: screenshots
screenshots: need-test $(PAGE) ## Take the pictures of the documentation anew, of the real window; as root, on Linux
	@scripts/screenshots.sh

.PHONY: clean
clean: ## Remove what was built, and no record of any job
	@scripts/dev.sh stop >/dev/null
	@rm -rf bin dist build/bin frontend/dist frontend/node_modules frontend/package.json.md5 \
		frontend/test-results frontend/playwright-report

# From here on: what the targets above need.

.PHONY: need-build need-display need-test need-bench need-package need-package-test
need-build need-display need-test need-bench need-package need-package-test:
	@scripts/setup.sh $(@:need-%=%)

.PHONY: vmo
vmo:
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/vmo ./cmd/vmo

.PHONY: window
window: $(PAGE)
	@go build -trimpath -tags $(WINDOW_TAGS) -ldflags '$(LDFLAGS)' -o build/bin/vm-orchestrator .

$(PAGE): $(PAGE_SOURCES) | need-build
	@echo "building the page"
	@cd frontend && npm run --silent build -- --logLevel warn
	@touch $@

bin/wails: tools/go.mod tools/go.sum | need-build
	@echo "building the Wails command"
	@go build -C tools -o ../bin/wails github.com/wailsapp/wails/v2/cmd/wails
	@touch $@

bin/staticcheck: tools/go.mod tools/go.sum | need-build
	@echo "building staticcheck"
	@go build -C tools -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@touch $@

bin/nfpm: tools/go.mod tools/go.sum | need-package
	@echo "building nfpm"
	@go build -C tools -o ../bin/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm
	@touch $@

bin/cyclonedx-gomod: tools/go.mod tools/go.sum | need-package
	@echo "building cyclonedx-gomod"
	@go build -C tools -o ../bin/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	@touch $@
