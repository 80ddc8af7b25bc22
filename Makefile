# Every command of the project. `make help` lists them.
#
# Underneath they are plain cargo commands, which work by themselves where Rust, a C compiler and the
# PostgreSQL server programs are installed.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# rustup and `cargo install` put programs here; a shell that was open before does not know it yet.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# Tests wait for mails and clocks more than they compute.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

.PHONY: help
help: ## list every target (this text)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: ## check for what is needed to build and run, install what is missing
	@scripts/setup run

.PHONY: demo
demo: ## try everything on this machine, without configuration (more options: ARGS="--help")
	@scripts/setup run
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory assets || echo 'demo: without the visual editor, see above; texts are written as Markdown'; \
	else \
		echo 'demo: there is no Node.js here, so texts are written as Markdown; with it there is a visual editor'; \
	fi
	cargo run --locked --profile demo -- demo $(ARGS)

# Compiled in where it is there (build.rs). It is not committed.
EDITOR := src/web/editor
VISUAL := $(EDITOR)/dist/staff-visual.js

.PHONY: assets
assets: $(VISUAL) ## build the visual editor of the staff pages (needs Node.js; without it they have a field for Markdown)

$(VISUAL): $(wildcard $(EDITOR)/*.js $(EDITOR)/dialect/*.js) $(EDITOR)/build.mjs $(EDITOR)/package-lock.json
	@scripts/setup editor
	cd $(EDITOR) && npm run --silent build

.PHONY: test
test: ## run every test (only some: ARGS=part_of_a_name)
	@scripts/setup test
	cargo test --locked $(ARGS)
	$(if $(ARGS),,@$(MAKE) --no-print-directory test-browser)

.PHONY: build-tests
build-tests: ## compile the program and every test, and run none
	@scripts/setup test
	cargo test --locked --no-run

# Asked by the shell that runs the tests: it may have been installed just before.
CHROMIUM = $$(command -v chromium-headless-shell || command -v chromium || command -v chromium-browser || command -v google-chrome)

# Two files of tests at a time: each of them waits for mails and clocks now and then. The program is the one of the other tests:
# `cargo build` would compile everything that has features for tests alone once more.
.PHONY: test-browser
test-browser: ## the pages in a real browser: axe, HTML, keyboard, with and without JavaScript (part of make test)
	@scripts/setup browser
	@$(MAKE) --no-print-directory assets
	cd $(EDITOR) && npm test --silent
	cargo test --locked --no-run --test it
	cd tests/browser && CHROMIUM=$(CHROMIUM) \
		RUNDBRIEF=$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/rundbrief npm test --silent

.PHONY: judges
judges: JUDGED = $(abspath $(or $(CARGO_TARGET_DIR),target))/judges
judges: ## what spam filters and HTML checkers say of every mail (of more updates: ARGS="update.md …")
	@scripts/setup run
	@scripts/setup judges
	JUDGED_MAILS=$(JUDGED)/mails JUDGED_UPDATES="$(abspath $(ARGS))" \
		cargo test --locked --quiet --test it judges::every_mail_is_written_to_a_folder -- --ignored
	node tests/judges/judge.mjs $(JUDGED)/mails $(JUDGED)

.PHONY: pictures
pictures: ## make the pictures of README.md, docs/pages.md and docs/first-mailing.md anew
	@scripts/setup browser
	@$(MAKE) --no-print-directory assets
	cargo build --locked
	cd tests/browser && export CHROMIUM=$(CHROMIUM) && node pictures.mjs && node film.mjs

.PHONY: test-faults
test-faults: ## the fault tests of sending at their full size: 8,000 recipients each (some minutes)
	@scripts/setup test
	RUNDBRIEF_FAULT_RECIPIENTS=8000 cargo test --locked --test it faults:: -- --test-threads 2

.PHONY: test-chaos
test-chaos: ## kill workers and the database at random, again and again, and print the table (about ten minutes)
	@scripts/setup test
	@mkdir -p target
	set -o pipefail; cargo test --locked --release --test it -- chaos:: overtaking:: --ignored --nocapture --test-threads=1 | tee target/chaos.log
	@echo
	@echo "| what | deaths | accepted | rejected | unknown | skipped | delivered by the relay's log | twice | seconds |"
	@echo '|---|---|---|---|---|---|---|---|---|'
	@grep '^| ' target/chaos.log
	@echo
	@grep '^\* ' target/chaos.log

.PHONY: bounces
bounces: ## what comes back, with ten thousand recipients and a thousand reports under kill -9 (some minutes)
	@scripts/setup test
	RUNDBRIEF_BOUNCE_RECIPIENTS=10000 RUNDBRIEF_BOUNCE_REPORTS=1000 cargo test --locked --release --test it -- \
		bounce_mailing:: killed_again_and_again --nocapture --test-threads=1

.PHONY: fuzz
fuzz: ## fuzz what reads messages that came back, for a minute (needs cargo-fuzz; more options: ARGS="-max_total_time=600")
	cd fuzz && SQLX_OFFLINE=true RUSTC_BOOTSTRAP=1 cargo fuzz run incoming -- -max_total_time=60 -max_len=65536 $(ARGS)

.PHONY: bench
bench: ## measure how fast mailings are sent, beside what SMTP alone could do (more options: ARGS="--help")
	@scripts/setup run
	cargo bench --locked --bench sending -- speed $(ARGS)
	$(if $(ARGS),,cargo bench --locked --bench sending -- signed)

.PHONY: bench-scale
bench-scale: ## send to ten thousand, a hundred thousand and a million (more options: ARGS="--help")
	@scripts/setup run
	cargo bench --locked --bench sending -- scale $(ARGS)

.PHONY: bench-metrics
bench-metrics: ## what it costs a mailing when somebody reads the metrics (more options: ARGS="--help")
	@scripts/setup run
	cargo bench --locked --bench sending -- metrics $(ARGS)

.PHONY: bench-signup
bench-signup: ## signups and unsubscribes a second, beside what the database alone could do (more options: ARGS="--help")
	@scripts/setup run
	cargo bench --locked --bench signup -- $(ARGS)

.PHONY: lint-tools
lint-tools: ## install the tools that the checks need
	@scripts/setup lint

.PHONY: lint
lint: lint-tools format clippy features docs alerts scripts deny unused ## every check but the tests, the quick ones alone: make format scripts

.PHONY: format
format: ## check that the code is formatted
	cargo fmt --check

.PHONY: clippy
clippy: ## clippy, and whether .sqlx is up to date: one compile for both
	scripts/sqlx-prepare --clippy

# What only a release compiles (no file is read from the source folder there), for the price of one crate.
.PHONY: features
features: ## clippy on the program without its demo, as in a release
	cargo clippy --locked --no-default-features --config profile.dev.package.rundbrief.debug-assertions=false \
		--lib --bins -- -D warnings

.PHONY: docs
docs: ## check that the documentation of the code has no broken link
	RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' cargo doc --locked --no-deps --document-private-items

.PHONY: alerts
alerts: ## check the alerts and the dashboard of docs/operations with Prometheus's promtool
	@scripts/check-alerts

.PHONY: scripts
scripts: ## check the scripts of the pages and tests with eslint, those of the shell with shellcheck
	@scripts/check-scripts

.PHONY: unused
unused: ## check for dependencies that nobody uses, with cargo-machete
	@if command -v cargo-machete >/dev/null; then \
		echo 'cargo machete'; \
		cargo machete; \
	else \
		scripts/unchecked 'unused dependencies' 'there is no cargo-machete here, and it could not be installed'; \
	fi

.PHONY: fmt
fmt: ## format the code
	cargo fmt

.PHONY: deny
deny: ## check licences, sources and bans of dependencies, and known weaknesses where their list can be reached
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	@if cargo deny fetch db >/dev/null 2>&1; then \
		echo 'cargo deny --locked check advisories'; \
		cargo deny --locked check advisories; \
	else \
		scripts/unchecked 'known weaknesses' 'the advisory database cannot be reached from here'; \
	fi

.PHONY: prepare
prepare: ## write .sqlx anew after a change to a query or a migration
	scripts/sqlx-prepare

.PHONY: doc
doc: ## build the documentation of the code: target/doc/rundbrief/index.html
	cargo doc --locked --no-deps --document-private-items

.PHONY: ci
ci: ## everything that a change must pass, as the server runs it (one part: ARGS=lint, tests or browser)
	.ci/run $(ARGS)

.PHONY: package
package: ## a release's archive for this kind of machine, its checksum and list of crates: target/package/
	scripts/package

.PHONY: clean
clean: ## remove everything that was built
	cargo clean
