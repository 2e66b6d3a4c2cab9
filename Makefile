# Two commands matter: `make run` and `make test`. Both work on a machine with only Rust and Node.
.PHONY: run test test-ops check console guide screenshots isolation prove properties mutants faults faults-short soak fuzz-short fuzz-long compare bench bench-growth bench-hot fmt docs

# Builds, makes the operator's accounts on the first start (ADMIN=you@example.com: and whoever administers them), and serves on
# 127.0.0.1:8080.
run: console
	cargo build --release --locked --bin tenantry
	./target/release/tenantry bootstrap --if-needed $(if $(ADMIN),--admin $(ADMIN))
	./target/release/tenantry serve

# Everything, on SQLite and on PostgreSQL. Installs what it needs.
test:
	scripts/test

# The quick part: format, lints, unit tests.
check:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	scripts/cargo-test --workspace --lib --bins

# The console, which the server embeds.
console:
	scripts/console

# The documents as a site, which the server embeds, too. Needs Python.
guide:
	scripts/guide

# Pictures of all pages of the console, light and dark, narrow and wide, in admin-ui/screenshots.
screenshots: console
	cargo build --locked --workspace --all-targets
	npm --prefix admin-ui run screenshots

# What an operator gets: chart, image, unit, rules, dashboard, documents.
test-ops:
	scripts/test --ops

# Every operation with every credential that is not meant for it: prints the cells.
isolation:
	scripts/test isolation --no-capture

# What holds of any text that is read, tried with a million cases: prints how many were tried, and how many failed.
properties:
	scripts/properties

# Breaks crates/domain in every way that is known, one at a time: prints which share a test notices; fails under 90 %. Hours; `scripts/mutants short`
# minutes: only where it is decided who may do what.
mutants:
	scripts/mutants

# Everything that the OpenAPI document allows, and what it forbids, asked of the real program, on both databases: no 5xx, no panic, nothing that
# the document does not say, and within a second. Long: random requests of each operation and chains of them, too, 70,000 cases at least; keeps
# the figures in tests/fuzz/RESULTS.md.
fuzz-short:
	cargo build --locked --workspace --all-targets
	scripts/fuzz both short

fuzz-long:
	cargo build --profile dist --locked --bin tenantry
	FUZZ_PROGRAM=$$PWD/target/dist/tenantry scripts/fuzz both long

# Beside other servers that issue tokens, with the same load on the same core: bench/COMPARE.md. Two cores, Debian.
compare:
	cargo build --profile dist --locked --bin tenantry
	bench/compare/compare.py

# How fast and how small it is, as ratios to what the machine can do; keeps the figures in bench/RESULTS.md. Two cores, PostgreSQL installed.
bench:
	cargo build --profile dist --locked -p tenantry-server -p tenantry-bench
	scripts/with-postgres taskset -c 1 target/dist/tenantry-bench

# What growth costs: 1 to 100,000 accounts, 1,000 to 1,000,000 customers: bench/GROWTH.md. Half an hour.
bench-growth:
	cargo build --profile dist --locked -p tenantry-server -p tenantry-bench
	scripts/with-postgres taskset -c 1 target/dist/tenantry-bench growth

# The short form of every proof (docs/proofs.md), on what `make test` has built and installed. Eight minutes.
prove:
	cargo build --locked --workspace --all-targets
	scripts/prove

# A thousand faults under load, on both databases, and a ledger of what was acknowledged: tests/faults/RESULTS.md. Then those that befall one of
# two nodes, ten times each, which are printed. An hour. Short: a few of each.
faults:
	cargo build --locked --workspace --all-targets
	target/debug/tenantry-faults
	TENANTRY_TEST_FAULTS=10 scripts/with-postgres scripts/cargo-test --workspace --test stories -- --nocapture nodes:: clocks::

faults-short:
	cargo build --locked --workspace --all-targets
	target/debug/tenantry-faults short

# An hour of mixed work at a steady pace: what grows that should not. Keeps its figures in bench/RESULTS.md.
soak:
	cargo build --profile dist --locked -p tenantry-server -p tenantry-bench
	target/dist/tenantry-bench soak 60

# The hot functions without HTTP, through criterion.
bench-hot:
	cargo bench --locked -p tenantry-bench --bench hot

fmt:
	cargo fmt --all

# After a change of the API, the metrics, the settings, the dashboard or the chart's values: look at the difference, then commit it.
docs:
	cargo build --locked --workspace --all-targets
	INSTA_UPDATE=always scripts/cargo-test --workspace openapi
	target/debug/tenantry metrics > docs/metrics.md
	scripts/scopes > docs/scopes.md
	scripts/licences > docs/licences.md
	scripts/dashboard > helm/tenantry/files/dashboard.json
	scripts/chart-schema
	scripts/chart-readme > helm/tenantry/README.md
